// What was done by hand or by the sweep, the newest first.

import { get } from './ask.js';
import { badge, bones, h, patch, show, state } from './elements.js';
import { clock, moment } from './times.js';

const LIMIT = 1_000;
const PACE_MS = 10_000;
const MARKS = { cancel: ['cancelled', 'Cancel'], retry: ['again', 'Retry'], purge: ['cancelled', 'Purge'], replay: ['again', 'Replay'], drop: ['cancelled', 'Drop'], sweep: ['completed', 'Sweep'] };

export function open({ query }) {
  let byHand = query.get('by') === 'hand';
  const choice = h('nav', { class: 'chips left', 'aria-label': 'Whose doings' });
  const chips = () => choice.replaceChildren(...[['#/audit', 'All', !byHand], ['#/audit?by=hand', 'By people', byHand]].map(([href, words, current]) =>
    h('a', { class: 'chip', href, 'aria-current': current ? 'true' : null }, words)));
  chips();
  const list = h('div', {}, bones());
  const body = h('tbody', { role: 'rowgroup' });
  const columns = ['When', 'What', 'To what', 'What came of it', 'Request'];
  const table = h('table', { class: 'audit', role: 'table', 'aria-label': 'What was done, the newest first' },
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns.map((words) => h('th', { role: 'columnheader', scope: 'col' }, words)))), body);
  const root = h('section', {}, h('h1', {}, 'Audit trail'),
    h('p', { class: 'muted' }, 'What operators did, from here or the command line, and what sweeps mended. The last 1,000 are kept.'), choice, list);

  async function refresh() {
    const { entries: all } = await get('/api/admin/audit', { limit: LIMIT });
    const entries = byHand ? all.filter(({ action }) => action !== 'sweep') : all;
    if (entries.length === 0) show(list, 'none', () => state('audit', byHand ? 'Nothing was done by people lately' : 'Nothing was done yet', h('p', {}, 'Cancels, retries, replays and drops are written down here, and sweeps that mended something.')));
    else {
      show(list, 'rows', () => h('div', { class: 'sheet' }, table));
      // Several may be of one moment.
      const seen = new Map();
      const keyed = entries.toReversed().map((entry) => {
        const name = `${entry.at} ${entry.action} ${entry.target}`;
        seen.set(name, (seen.get(name) ?? 0) + 1);
        return { ...entry, key: `${name} ${seen.get(name)}` };
      });
      patch(body, keyed.toReversed(), ({ key }) => key, row);
    }
    return PACE_MS;
  }
  function turn(query) {
    byHand = query.get('by') === 'hand';
    chips();
  }
  return { root, refresh, turn, title: 'Audit trail' };
}

const cell = (kind, ...children) => h('td', { role: 'cell', class: kind }, ...children);

function row({ at, action, target, outcome, requestId }) {
  const [mark, words] = MARKS[action] ?? ['queued', action];
  const job = target?.startsWith('job_') ? h('a', { class: 'open', href: `#/jobs/${encodeURIComponent(target)}` }, target) : target;
  return h('tr', { role: 'row' }, cell('when', clock(at), ' ', h('span', { class: 'muted' }, moment(at))), cell('what', badge(mark, mark, words)),
    cell('target', job), cell('outcome', outcome), cell('request', h('code', {}, requestId ?? '')));
}
