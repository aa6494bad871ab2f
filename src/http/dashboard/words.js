// What the service's words mean to people: statuses, steps, outcomes, causes and what helps against them.

import { badge } from './elements.js';

export const STATUSES = { queued: 'Queued', processing: 'Processing', completed: 'Completed', failed: 'Failed', cancelled: 'Cancelled' };

export const status = (name) => badge(name, name, STATUSES[name] ?? name);

export const isLive = ({ status }) => status === 'queued' || status === 'processing';

const STEPS = {
  submit: 'Submit to Klap', await_task: 'Klap finds clips', list: 'List the clips', export: 'Pay for exports',
  transfer: 'Store the clips', finalize: 'Update the project',
};

export const step = (name) => STEPS[name] ?? name ?? '';

/** The order of a job's steps, where they are known. */
export const STEPS_IN_ORDER = Object.keys(STEPS);

/** What helps against a failure, by its code; nothing where nothing in particular does. */
const HELP = {
  source_refused: 'Klap refuses the video. A retry cannot help: the project needs another one.',
  no_clips: 'Klap found nothing to clip. Another video, or other options, may help.',
  no_clips_stored: 'No clip could be fetched or stored. Look at the clips’ own errors, and at storage.',
  klap_task_failed: 'Klap gave the task up. A retry orders, and pays for, a new one.',
  klap_task_lost: 'Klap does not know the task any more. A retry orders, and pays for, a new one.',
  klap_submit_unknown: 'Nobody knows whether Klap billed the submits. Look in Klap’s dashboard before you retry: a retry may pay once more.',
  attempts_exhausted: 'Its attempts are used up. When the cause is mended, retry: it goes on from this step.',
  step_timeout: 'The step took longer than it may. If Klap or storage was slow, retry.',
  job_timeout: 'Its deadline has passed. If Klap was away, retry: it goes on from this step with a new deadline.',
  queue_timeout: 'It was never begun: no push came through. See that QStash reaches the worker, then retry.',
  record_lost: 'The store had forgotten it, and the project has a newer job. Its receipts are kept.',
  unauthorized: 'A vendor refuses our key. Put the right one in, then retry.',
};

export const help = (code) => HELP[code] ?? null;

/** One or several, with the number before it. */
export const count = (number, one, many = `${one}s`) => `${number.toLocaleString()} ${number === 1 ? one : many}`;

export function bytes(size) {
  if (size === null || size === undefined) return null;
  if (size < 1_024) return `${size} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let at = -1;
  let left = size;
  while (left >= 1_024 && at < units.length - 1) {
    left /= 1_024;
    at += 1;
  }
  return `${left < 10 ? left.toFixed(1) : Math.round(left)} ${units[at]}`;
}

export const usd = (amount) =>
  amount === null || amount === undefined ? null : new Intl.NumberFormat(undefined, { style: 'currency', currency: 'USD' }).format(amount);
