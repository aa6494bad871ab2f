// What the newest jobs tell beside themselves: how the last hour went, and which of our signing keys the last pushes came with.
// Read seldom: neither changes the picture from one moment to the next.

import { find, get } from './ask.js';

const HOUR_S = 3_600;
const HOUR_MS = 20_000;
const PUSHES_MS = 20_000;
const JOBS = 3;
const PUSHES = 20;

/** Reads again when what it has is older than `ms`. */
function seldom(ms, read) {
  let [at, known] = [-Infinity, null];
  return async (...given) => {
    if (performance.now() - at > ms) {
      known = await read(...given);
      at = performance.now();
    }
    return known;
  };
}

/** Of the jobs taken within the last hour: how many, and what became of them. */
export const lastHour = () => seldom(HOUR_MS, async () => {
  const { jobs, nextCursor } = await get('/api/admin/jobs', { since: HOUR_S, limit: 100 });
  const those = (wanted) => jobs.filter(({ status }) => status === wanted).length;
  return { accepted: jobs.length, completed: those('completed'), failed: those('failed'), cancelled: those('cancelled'), complete: nextCursor === null };
});

/** The last pushes of the newest jobs, the newest first. */
export const lastPushes = () => seldom(PUSHES_MS, async (jobs) => {
  const begun = jobs.filter(({ startedAt }) => startedAt).slice(0, JOBS);
  const found = await Promise.all(begun.map(({ jobId }) => find(`/api/admin/jobs/${encodeURIComponent(jobId)}`)));
  const pushes = found.filter(Boolean).flatMap(({ job, timeline }) => timeline.filter(({ signedWith }) => signedWith).map(({ at, signedWith }) => ({ at, jobId: job.jobId, signedWith })));
  return pushes.sort((one, other) => (one.at < other.at ? 1 : -1)).slice(0, PUSHES);
});
