// What needs somebody, read off the service's numbers. Nothing here touches the page.

import { length } from './times.js';
import { count, usd } from './words.js';

const SWEEP_MS_MAX = 15 * 60_000;
const OVERDUE_MS_MAX = 3 * 60_000;
const WAITING_MS_MAX = 10 * 60_000;

export function attention({ jobs, lastHour, deadLetters, signing, spend, sweptAt }, now) {
  const needs = [];
  const need = (kind, words, to, more) => needs.push({ kind, words, to, more });
  if (signing.verdict === 'locked_out') need('bad', 'Locked out: neither of our signing keys is the one QStash signs with, and every push is refused.', 'signing', 'What to do');
  if (signing.verdict === 'would_lock_out') need('warn', 'Rolling QStash’s signing keys now would lock you out.', 'signing', 'What to do');
  const swept = sweptAt ? now - Date.parse(sweptAt) : Infinity;
  if (jobs.overdue > 0 && swept > OVERDUE_MS_MAX) need('bad', `${count(jobs.overdue, 'job is', 'jobs are')} overdue, and no sweep has come for ${jobs.overdue === 1 ? 'it' : 'them'}.`, '#/jobs?status=processing', 'See what runs');
  if (deadLetters?.count > 0) need('bad', `${deadLetters.more ? 'At least ' : ''}${count(deadLetters.count, 'dead letter waits', 'dead letters wait')} for a decision.`, '#/letters', 'Decide');
  const oldest = jobs.oldestWaitingAt ? now - Date.parse(jobs.oldestWaitingAt) : 0;
  if (oldest > WAITING_MS_MAX && jobs.overdue === 0) need('warn', `A job has been waiting for ${length(minutes(oldest))}.`, '#/jobs?status=queued', 'See it');
  if (swept > SWEEP_MS_MAX) need('warn', `${sweptAt ? `The last sweep was ${length(minutes(swept))} ago` : 'There was no sweep within a day'}: does anything call /api/cron/klap?`);
  const ended = lastHour.completed + lastHour.failed;
  if (lastHour.failed > 2 && lastHour.failed * 4 > ended) need('warn', `${lastHour.failed} of the ${ended} jobs that ended within the last hour failed.`, '#/jobs?status=failed&since=3600', 'See them');
  if (spend.limitUsd && spend.todayUsd >= 0.8 * spend.limitUsd) {
    const over = spend.todayUsd >= spend.limitUsd;
    need(over ? 'bad' : 'warn', `${usd(spend.todayUsd)} of today’s ${usd(spend.limitUsd)} ${over ? 'are spent: new jobs are refused until midnight UTC' : 'are spent'}.`);
  }
  return needs;
}

/** Not said anew every second. */
const minutes = (ms) => Math.floor(ms / 60_000) * 60_000;
