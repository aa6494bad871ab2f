// Dead letters: jobs whose pushes are exhausted and what rests in QStash's own list, by their cause. Chosen one by one, or all of
// a cause at once.

import { get } from './ask.js';
import { replayOrDrop } from './bulk.js';
import { badge, bones, button, h, patch, show, state } from './elements.js';
import { icon } from './icons.js';
import { moment } from './times.js';
import { count, help, step } from './words.js';

const LIMIT = 50;
const PACE_MS = 6_000;
/** So many of a cause are shown before it is opened, so that the other causes are in sight. */
const FIRST = 10;
const SIDES = { both: null, job: 'QStash has no entry of it', qstash: 'QStash’s entry alone' };

export function open({ beat }) {
  let [letters, next, further, all] = [[], null, [], false];
  const [chosen, opened] = [new Set(), new Set()];
  const note = h('div');
  const list = h('div', {}, bones());
  const foot = h('div', { class: 'pager' });
  const tray = h('div', { class: 'tray', role: 'group', 'aria-label': 'What to do with the chosen ones', hidden: true });
  const root = h('section', { class: 'letters' }, h('h1', {}, 'Dead letters'),
    h('p', { class: 'muted' }, 'Given up after their last attempt. A replay goes on from the failed step, with what is paid; a drop forgets the job for good.'),
    note, list, foot, tray);

  async function refresh() {
    const first = await get('/api/admin/dead-letters', { limit: LIMIT });
    const known = new Set(first.letters.map(({ id }) => id));
    if (!all) next = first.nextCursor;
    letters = [...first.letters, ...further.filter(({ id }) => !known.has(id))];
    show(note, first.qstash, () => (first.qstash === 'unavailable' ? h('p', { class: 'notice' }, icon('warning'), 'QStash could not be asked, or not in time: not all that rests in its list is shown.') : []));
    render();
    return PACE_MS;
  }

  /** All that are left, for a choice of everything of a cause. */
  async function rest() {
    while (next) {
      const page = await get('/api/admin/dead-letters', { limit: 100, cursor: next });
      further.push(...page.letters);
      next = page.nextCursor;
    }
    all = true;
    const known = new Set(letters.map(({ id }) => id));
    letters = [...letters, ...further.filter(({ id }) => !known.has(id))];
  }

  function causes() {
    const by = new Map();
    for (const letter of letters) {
      const { code, message } = letter.cause;
      if (!by.has(code)) by.set(code, { code, message, letters: [] });
      by.get(code).letters.push(letter);
    }
    return [...by.values()].map((cause) => ({ ...cause, whole: opened.has(cause.code), some: next !== null }));
  }

  function render() {
    const known = new Set(letters.map(({ id }) => id));
    for (const id of chosen) if (!known.has(id)) chosen.delete(id);
    if (letters.length === 0) {
      show(list, 'none', () => state('completed', 'No dead letters', h('p', {}, 'Every job has come to its end, or is still being tried.')));
    } else {
      show(list, 'some', () => h('div', { class: 'causes' }));
      patch(list.firstChild, causes(), ({ code }) => code, cause);
    }
    show(foot, next, () => (next ? button('Load all', async () => { await rest(); render(); }, { id: 'more' }) : []));
    choose();
  }

  function cause({ code, message, letters: own, whole, some }) {
    const every = h('input', { type: 'checkbox', 'aria-label': `Choose all of ${code}`, 'data-cause': code });
    every.addEventListener('change', async () => {
      const wanted = every.checked;
      if (wanted && next) await rest();
      for (const { id, cause } of letters) if (cause.code === code) (wanted ? chosen.add(id) : chosen.delete(id));
      render();
    });
    const rows = h('ul', { class: 'sheet rows' });
    rows.append(...(whole ? own : own.slice(0, FIRST)).map(row));
    const more = whole || own.length <= FIRST ? null : button(`Show all ${own.length.toLocaleString()}`, async () => {
      opened.add(code);
      render();
      list.querySelectorAll(`[data-key="${CSS.escape(code)}"] .rows > li`)[FIRST]?.querySelector('input').focus();
    }, { kind: 'wide' });
    return h('section', { class: 'cause-group', 'aria-label': code },
      h('div', { class: 'headed' }, h('label', { class: 'check' }, every, h('h2', {}, h('code', {}, code), h('span', { class: 'tally' }, `${own.length.toLocaleString()}${some ? '+' : ''}`)))),
      h('p', {}, message), help(code) ? h('p', { class: 'muted' }, help(code)) : null, rows, more);
  }

  function row(letter) {
    const { id, jobId, projectId, owner, side, why, replayable, paysAgain, responseStatus, attempts, failedAt } = letter;
    const box = h('input', { type: 'checkbox', 'aria-label': `Choose ${projectId ?? id}`, 'data-id': id });
    box.addEventListener('change', () => {
      if (box.checked) chosen.add(id);
      else chosen.delete(id);
      choose();
    });
    const title = projectId ?? jobId ?? id;
    const more = [step(letter.step), attempts ? count(attempts, 'attempt') : null, responseStatus ? `answered ${responseStatus}` : null, SIDES[side], owner, paysAgain ? `a replay pays for ${paysAgain}` : null, why];
    return h('li', { 'data-key': id },
      box,
      h('div', { class: 'what' },
        jobId ? h('a', { class: 'open', href: `#/jobs/${encodeURIComponent(jobId)}` }, title) : h('b', {}, title),
        h('code', {}, jobId ?? id),
        h('p', { class: 'aside' }, more.filter(Boolean).map((words) => h('span', {}, words)))),
      h('div', { class: 'when' }, moment(failedAt), replayable ? null : badge('cancelled', 'cancelled', 'Not to be replayed')),
      h('div', { class: 'actions' },
        replayable ? button('Replay', () => act('replay', [letter]), { label: `Replay ${title}` }) : null,
        button('Drop', () => act('drop', [letter]), { kind: 'bad', label: `Drop ${title}` })));
  }

  /** Boxes and the tray as the choice is. */
  function choose() {
    for (const box of list.querySelectorAll('input[data-id]')) box.checked = chosen.has(box.dataset.id);
    for (const box of list.querySelectorAll('input[data-cause]')) {
      const own = letters.filter(({ cause }) => cause.code === box.dataset.cause);
      const taken = own.filter(({ id }) => chosen.has(id)).length;
      box.checked = taken > 0 && taken === own.length;
      box.indeterminate = taken > 0 && taken < own.length;
    }
    tray.hidden = chosen.size === 0;
    show(tray, chosen.size, () => [
      h('p', { role: 'status' }, `${chosen.size.toLocaleString()} chosen`),
      h('div', { class: 'actions' },
        button('Clear', async () => { chosen.clear(); choose(); document.getElementById('main').focus(); }, { kind: 'quiet', id: 'clear' }),
        button('Drop…', () => act('drop', picked()), { kind: 'bad', id: 'drop-chosen' }),
        button('Replay…', () => act('replay', picked()), { kind: 'main', id: 'replay-chosen' })),
    ]);
  }

  const picked = () => letters.filter(({ id }) => chosen.has(id));

  async function act(deed, some) {
    const done = await replayOrDrop(deed, some);
    if (!done.length) return;
    for (const id of done) chosen.delete(id);
    further = further.filter(({ id }) => !done.includes(id));
    beat();
  }
  return { root, refresh, title: 'Dead letters' };
}
