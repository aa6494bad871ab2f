// How the service is: what needs somebody, what is going on, and what its helpers have been doing.

import { get, post } from './ask.js';
import { bones, button, h, patch, show, state, tell } from './elements.js';
import { icon } from './icons.js';
import { attention } from './needs.js';
import { head, row } from './rows.js';
import { signing } from './signing.js';
import { clock, length, moment, now, set } from './times.js';
import { step as named, STEPS_IN_ORDER, usd } from './words.js';

const PACE_MS = { live: 5_000, still: 15_000 };
const NEWEST = 8;
/** Dead letters are a join of all failed jobs with QStash's own: not asked for at every beat. */
const LETTERS_MS = 60_000;
const LETTERS = 100;

export function open({ beat }) {
  const [needs, tiles, newest, side, sweeps] = ['needs', 'tiles', 'newest', 'side', 'sweeps'].map((kind) => h('div', { class: `over-${kind}` }));
  needs.append(bones(1));
  const body = h('tbody', { role: 'rowgroup' });
  const table = h('table', { class: 'jobs', role: 'table', 'aria-label': 'The newest jobs' }, head(), body);
  const root = h('section', { class: 'overview' }, h('h1', { class: 'quiet' }, 'Overview'), needs, tiles, newest, h('div', { class: 'split even' }, side, sweeps));

  let [counted, at] = [null, -Infinity];
  /** How many are to be decided on: as the part of that name lists them. */
  async function dead() {
    if (performance.now() - at < LETTERS_MS) return counted;
    at = performance.now();
    try {
      const { letters, nextCursor, qstash } = await get('/api/admin/dead-letters', { limit: LETTERS });
      counted = { count: letters.length, more: nextCursor !== null, all: qstash === 'read' };
    } catch (error) {
      if (error.status === 401) throw error;
      // The rest is worth seeing without it.
      counted = null;
    }
    return counted;
  }

  async function refresh() {
    const [told, { jobs }, deadLetters] = await Promise.all([get('/api/admin/stats'), get('/api/admin/jobs', { limit: NEWEST }), dead()]);
    const stats = { ...told, deadLetters };
    set(stats.now);
    document.getElementById('version').textContent = stats.version ? `version ${stats.version}` : '';
    show(needs, attention(stats, now()), () => needed(attention(stats, now())));
    show(tiles, [stats.jobs, stats.deadLetters, stats.lastHour], () => numbers(stats));
    listed(jobs);
    show(side, [stats.signing, stats.jobs.byStage, stats.spend], () => [stages(stats), signing(stats.signing), spend(stats.spend)]);
    show(sweeps, [stats.sweeps, stats.sweptAt], () => swept(stats, sweep));
    return stats.jobs.live > 0 ? PACE_MS.live : PACE_MS.still;
  }

  function listed(jobs) {
    if (jobs.length === 0) return show(newest, 'none', () => [h('h2', {}, 'Newest jobs'), h('p', { class: 'muted' }, 'No job yet. ', h('a', { href: '#/jobs' }, 'How to hand one in'))]);
    show(newest, 'some', () => [h('div', { class: 'headed' }, h('h2', {}, 'Newest jobs'), h('a', { href: '#/jobs' }, 'All jobs')), h('div', { class: 'sheet' }, table)]);
    patch(body, jobs, ({ jobId }) => jobId, row);
  }

  async function sweep() {
    const { republished, revived, failed, purged } = await post('/api/cron/klap');
    tell(`Swept: ${republished} republished, ${revived} revived, ${failed} failed, ${purged} purged.`);
    beat();
  }
  return { root, refresh, title: 'Overview' };
}

function needed(needs) {
  if (needs.length === 0) return h('p', { class: 'calm' }, icon('completed'), 'Nothing needs you.');
  return [h('h2', { class: 'quiet' }, 'What needs you'), h('ul', { class: 'needs' }, needs.map(({ kind, words, to, more }) =>
    h('li', { class: kind }, icon(kind === 'bad' ? 'failed' : 'warning'), h('p', {}, words, ' ', to ? lead(to, more) : null))))];
}

/** To another part, or further down on this one. */
const lead = (to, words) => (to.startsWith('#/') ? h('a', { href: to }, words)
  : h('button', { type: 'button', class: 'link', click: () => document.getElementById(to)?.scrollIntoView({ block: 'center' }) }, words));

const tile = (words, value, { kind = '', to = null, note = null } = {}) => {
  const cover = to ? h('a', { class: 'cover', href: to, 'aria-label': `${words}: see them` }) : null;
  return h('div', { class: 'tile' }, h('dt', {}, words), h('dd', { class: kind }, value, note ? h('small', {}, note) : null, cover));
};

function numbers({ jobs, lastHour, deadLetters }) {
  const hour = lastHour.complete ? 'last hour' : 'last hour, of the newest';
  return h('dl', { class: 'tiles' },
    tile('In flight', jobs.inFlight.toLocaleString(), { to: '#/jobs?status=processing', note: 'a push is at work' }),
    tile('Waiting', jobs.waiting.toLocaleString(), { note: jobs.oldestWaitingAt ? ['oldest ', moment(jobs.oldestWaitingAt)] : 'for their next push' }),
    tile('Overdue', jobs.overdue.toLocaleString(), { note: 'for the next sweep' }),
    deadLetters ? tile('Dead letters', `${deadLetters.count.toLocaleString()}${deadLetters.more ? '+' : ''}`, { kind: deadLetters.count ? 'bad' : '', to: '#/letters', note: deadLetters.all ? 'to be decided on' : 'QStash is away' }) : tile('Dead letters', '–', { to: '#/letters', note: 'could not be read' }),
    tile('Accepted', lastHour.accepted.toLocaleString(), { note: hour }),
    tile('Completed', lastHour.completed.toLocaleString(), { to: '#/jobs?status=completed&since=3600', note: hour }),
    tile('Failed', lastHour.failed.toLocaleString(), { kind: lastHour.failed ? 'bad' : '', to: '#/jobs?status=failed&since=3600', note: lastHour.cancelled ? `${hour}; ${lastHour.cancelled} cancelled` : hour }));
}

function stages({ jobs: { byStage, live } }) {
  const most = Math.max(1, ...Object.values(byStage));
  const names = [...STEPS_IN_ORDER, ...Object.keys(byStage).filter((name) => !STEPS_IN_ORDER.includes(name))];
  return [h('h2', {}, 'Where live jobs are'),
    live === 0 && !Object.values(byStage).some(Boolean) ? h('p', { class: 'muted' }, 'No job is live.')
      : h('dl', { class: 'sheet bars' }, names.map((name) => {
        const bar = h('span', { class: 'fill', 'aria-hidden': 'true' });
        bar.style.width = `${(100 * (byStage[name] ?? 0)) / most}%`;
        return h('div', {}, h('dt', {}, named(name)), h('dd', {}, h('span', { class: 'groove' }, bar), h('span', { class: 'number' }, (byStage[name] ?? 0).toLocaleString())));
      }))];
}

function spend({ todayUsd, limitUsd }) {
  return [h('h2', {}, 'Spent at Klap today'), h('div', { class: 'sheet padded' },
    limitUsd === null
      ? h('p', { class: 'muted' }, 'Not counted, as no limit is set (SPEND_LIMIT_DAY).')
      : [h('p', {}, h('b', {}, usd(todayUsd ?? 0)), h('span', { class: 'muted' }, ` of ${usd(limitUsd)}; over it new jobs are refused, and running ones finish`)),
          h('progress', { max: String(limitUsd || 1), value: String(Math.min(todayUsd ?? 0, limitUsd)), 'aria-label': 'Of the day’s limit' })])];
}

function swept({ sweeps, sweptAt }, sweep) {
  const title = h('div', { class: 'headed' }, h('h2', {}, 'Sweeps'), button('Sweep now', sweep, { id: 'sweep' }));
  const last = h('p', { class: 'muted above' }, sweptAt ? ['The last one was ', moment(sweptAt), '.'] : 'None within a day: let something call /api/cron/klap every minute.');
  if (sweeps.length === 0) return [title, last, h('p', { class: 'muted' }, 'None of them has had anything to mend lately.')];
  const columns = ['Mended', 'Republished', 'Revived', 'Failed', 'Purged', 'Took'];
  return [title, last, h('div', { class: 'sheet scroll', tabindex: '0', role: 'region', 'aria-label': 'Sweeps that mended something, the newest first' }, h('table', { class: 'plain' },
    h('thead', {}, h('tr', {}, columns.map((words, at) => h('th', { scope: 'col', class: at ? 'number' : '' }, words)))),
    h('tbody', {}, sweeps.map(({ at, republished, revived, failed, purged, tookMs }) =>
      h('tr', {}, h('td', {}, clock(at)), [republished, revived, failed, purged].map((value) => h('td', { class: `number ${value ? '' : 'none'}` }, value.toLocaleString())), h('td', { class: 'number' }, length(tookMs)))))))];
}
