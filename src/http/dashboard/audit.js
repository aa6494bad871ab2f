// What operators did, the newest first.

import { get } from './ask.js';
import { badge, bones, h, patch, show, state } from './elements.js';
import { clock, moment } from './times.js';

const LIMIT = 1_000;
const PACE_MS = 10_000;
const MARKS = { cancel: ['cancelled', 'Cancel'], retry: ['again', 'Retry'], purge: ['cancelled', 'Purge'], replay: ['again', 'Replay'], drop: ['cancelled', 'Drop'] };

export function open() {
  const list = h('div', {}, bones());
  const body = h('tbody', { role: 'rowgroup' });
  const columns = ['When', 'What', 'To what', 'What came of it', 'Request'];
  const table = h('table', { class: 'audit', role: 'table', 'aria-label': 'What was done, the newest first' },
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns.map((words) => h('th', { role: 'columnheader', scope: 'col' }, words)))), body);
  const root = h('section', {}, h('h1', {}, 'Audit trail'),
    h('p', { class: 'muted' }, 'What operators did, from here or the command line. The last 1,000 are kept.'), list);

  async function refresh() {
    const { entries } = await get('/api/admin/audit', { limit: LIMIT });
    if (entries.length === 0) show(list, 'none', () => state('audit', 'Nothing was done yet', h('p', {}, 'Cancels, retries, purges, replays and drops are written down here.')));
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
  return { root, refresh, title: 'Audit trail' };
}

const cell = (kind, ...children) => h('td', { role: 'cell', class: kind }, ...children);

const job = (id) => (id?.startsWith('job_') ? h('a', { class: 'open', href: `#/jobs/${encodeURIComponent(id)}` }, id) : id);

function row({ at, action, target, outcome, ids, requestId }) {
  const [mark, words] = MARKS[action] ?? ['queued', action];
  const many = ids?.length ? h('details', { 'data-of': `${at} ${target}` }, h('summary', {}, target), h('ul', {}, ids.map((id) => h('li', {}, job(id))))) : job(target);
  return h('tr', { role: 'row' }, cell('when', clock(at), ' ', h('span', { class: 'muted' }, moment(at))), cell('what', badge(mark, mark, words)),
    cell('target', many), cell('outcome', outcome), cell('request', h('code', {}, requestId ?? '')));
}
