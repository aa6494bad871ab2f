// All jobs, the newest first: filtered, searched, and kept right while they run.

import { get } from './ask.js';
import { bones, button, h, patch, show, state } from './elements.js';
import { address, isEmpty, read, toolbar } from './filters.js';
import { fold, joined, renewed } from './pages.js';
import { head, row } from './rows.js';
import { count, isLive } from './words.js';

const LIMIT = 50;
/** A filter may match nothing in a page of what the service looked at; so many are asked for on one's behalf. */
const LOOKS_MAX = 5;
const PACE_MS = { live: 5_000, still: 15_000 };

export function open({ query, go, beat }) {
  let filters = read(query);
  let [jobs, next, loaded, turned] = [[], null, false, 0];
  /** Pages after the first, by where they begin. */
  let further = [];
  const bar = toolbar(filters, (changed) => go(address(changed), { replace: true }));
  const list = h('div', {}, bones(8));
  const body = h('tbody', { role: 'rowgroup' });
  const table = h('table', { class: 'jobs', role: 'table', 'aria-label': 'Jobs, the newest first' }, head(), body);
  const foot = h('div', { class: 'pager' });
  const root = h('section', {}, h('h1', { class: 'quiet' }, 'Jobs'), bar.root, list, foot);

  /** Pages from `cursor` on, until there is something to show. */
  async function pages(cursor) {
    const asked = turned;
    let [found, at, looks] = [[], cursor, 0];
    do {
      const page = await get('/api/admin/jobs', { ...filters, limit: LIMIT, cursor: at });
      if (asked !== turned) return null;
      found = joined(found, page.jobs);
      at = page.nextCursor;
      looks += 1;
    } while (at && found.length === 0 && looks < LOOKS_MAX);
    return { found, at };
  }

  async function refresh() {
    const first = await pages(null);
    if (!first) return 0;
    const kept = fold(jobs, first.found, first.at !== null);
    // With nothing kept from before, the first page's end is the list's.
    if (!loaded || kept.length === first.found.length) next = first.at;
    [jobs, loaded] = [kept, true];
    await older(new Set(first.found.map(({ jobId }) => jobId)));
    render();
    return jobs.slice(0, LIMIT).some(isLive) ? PACE_MS.live : PACE_MS.still;
  }

  /** Of the pages after the first in which something still runs, one is read anew each time. */
  async function older(seen) {
    const live = new Set(jobs.filter((job) => isLive(job) && !seen.has(job.jobId)).map(({ jobId }) => jobId));
    const at = further.findIndex(({ ids }) => ids.some((id) => live.has(id)));
    if (at < 0) return;
    const [page] = further.splice(at, 1);
    further.push(page);
    const anew = await pages(page.cursor);
    if (anew) jobs = renewed(jobs, anew.found);
  }

  async function more() {
    const page = await pages(next);
    if (!page) return;
    const from = jobs.length;
    jobs = joined(jobs, page.found);
    further.push({ cursor: next, ids: page.found.map(({ jobId }) => jobId) });
    next = page.at;
    render();
    body.children[from]?.querySelector('a.open')?.focus();
  }

  function render() {
    if (jobs.length === 0) show(list, ['none', filters, next], () => nothing(filters, next));
    else {
      show(list, 'rows', () => h('div', { class: 'sheet' }, table));
      patch(body, jobs, ({ jobId }) => jobId, row);
    }
    show(foot, [jobs.length, next], () => [
      jobs.length ? h('p', { class: 'muted' }, next ? `${count(jobs.length, 'job')} so far` : `${count(jobs.length, 'job')}, all there are${isEmpty(filters) ? '' : ' like this'}`) : null,
      next ? button(jobs.length ? 'Load more' : 'Look further back', more, { id: 'more' }) : null,
    ]);
  }

  function turn(query) {
    filters = read(query);
    [jobs, next, loaded, further] = [[], null, false, []];
    turned += 1;
    bar.set(filters);
    list.setAttribute('aria-busy', 'true');
  }

  return {
    root, title: 'Jobs', turn,
    refresh: async () => {
      const pace = await refresh();
      list.removeAttribute('aria-busy');
      return pace;
    },
  };
}

function nothing(filters, next) {
  if (!isEmpty(filters)) {
    return state('search', next ? 'Nothing like this among the newest' : 'No job is like this',
      h('p', {}, next ? 'Older ones have not been looked at yet.' : 'Fewer filters find more.'),
      h('p', {}, h('a', { href: '#/jobs' }, 'Show all jobs')));
  }
  const command = `curl -X POST ${location.origin}/api/process-klap -H 'Content-Type: application/json' \\\n  -H 'Authorization: Bearer $API_KEY' -d '{"projectId":"my-project"}'`;
  return state('jobs', 'No job yet', h('p', {}, 'Hand one in, and it shows up here by itself:'),
    h('pre', { tabindex: '0', role: 'region', 'aria-label': 'A command that hands in a job' }, command));
}
