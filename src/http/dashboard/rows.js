// One job as a row of a table, which on a phone is a card. The roles are said aloud: laid out as a grid, a table would lose them.

import { h } from './elements.js';
import { icon } from './icons.js';
import { between, moment, now, since } from './times.js';
import { count, isLive, status, step } from './words.js';

const COLUMNS = [['Status'], ['Project and job'], ['Progress'], ['Clips', 'number'], ['Owner'], ['Took', 'number'], ['Created', 'number']];

export const head = () =>
  h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' },
    COLUMNS.map(([words, kind]) => h('th', { role: 'columnheader', scope: 'col', class: kind }, words))));

const cell = (kind, ...children) => h('td', { role: 'cell', class: kind }, ...children);

export function row(job) {
  const line = h('tr', { role: 'row', class: job.status },
    cell('status', status(job.status), late(job) ? h('span', { class: 'badge overdue' }, icon('warning'), 'Overdue') : null),
    cell('what', h('a', { class: 'open', href: `#/jobs/${encodeURIComponent(job.jobId)}` }, job.projectId), h('code', {}, job.jobId)),
    cell('where', ...where(job)),
    cell('clips number', clips(job)),
    cell('owner', job.owner),
    cell('taken number', taken(job)),
    cell('created number', moment(job.createdAt)));
  // The whole row leads where its link does.
  line.addEventListener('click', (event) => {
    if (!event.target.closest('a, button') && !getSelection().toString()) line.querySelector('a.open').click();
  });
  return line;
}

/** Looked at again long after it said it would be. */
const late = (job) => isLive(job) && Date.parse(job.deadline) < now();

function where(job) {
  const { error, errorDetail, progress } = job;
  if (job.status === 'failed') {
    return [h('span', { class: 'why' }, error ?? 'No reason was recorded.'),
      h('span', { class: 'aside' }, [errorDetail?.code, step(job.step)].filter(Boolean).map((words) => h('span', {}, words)))];
  }
  const stage = job.status === 'completed' ? null : job.stage;
  return [
    h('span', { class: 'gauge' }, h('progress', { max: '100', value: String(progress), 'aria-label': 'Progress' }), h('span', { class: 'percent' }, `${progress} %`)),
    h('span', { class: 'aside' }, stage && h('span', {}, stage), attempt(job), isLive(job) && errorDetail ? h('span', { class: 'warn' }, errorDetail.code) : null, twice(job)),
  ];
}

const attempt = ({ attempts, status }) => (attempts > 1 && status === 'processing' ? h('span', { class: 'warn' }, `attempt ${attempts}`) : null);

const twice = ({ possibleDuplicateCharge: times }) => (times ? h('span', { class: 'warn' }, `${count(times, 'call')} maybe paid twice`) : null);

function clips({ clipsStored, clipsFailed, clipsTotal }) {
  if (!clipsTotal) return h('span', { class: 'none' }, '–');
  return [h('span', {}, `${clipsStored}/${clipsTotal}`), clipsFailed ? h('span', { class: 'error' }, ` ${clipsFailed} failed`) : null];
}

function taken(job) {
  if (!job.startedAt && isLive(job)) return h('span', { class: 'none' }, '–');
  const begun = job.startedAt ?? job.createdAt;
  if (isLive(job)) return since(begun);
  return job.completedAt ? between(begun, job.completedAt) : h('span', { class: 'none' }, '–');
}
