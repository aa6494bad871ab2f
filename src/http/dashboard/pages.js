// Lists that are read in pages while they change at their head. Nothing here touches the page.

/** The newest first, as the service has them; of two of one moment the one with the larger id. */
const before = (one, other) => (one.createdAt === other.createdAt ? one.jobId > other.jobId : one.createdAt > other.createdAt);

/** One list and what comes after it, each job once. */
export function joined(jobs, further) {
  const known = new Set(jobs.map(({ jobId }) => jobId));
  return [...jobs, ...further.filter(({ jobId }) => !known.has(jobId))];
}

/** A first page read anew: it is right as far as it reaches; what is older and known stays. */
export function fold(jobs, first, goesOn) {
  const last = first.at(-1);
  if (!goesOn || !last) return first;
  const fresh = new Set(first.map(({ jobId }) => jobId));
  return [...first, ...jobs.filter((job) => !fresh.has(job.jobId) && before(last, job))];
}

/** What is known, as it was just read, in its place. */
export function renewed(jobs, read) {
  const anew = new Map(read.map((job) => [job.jobId, job]));
  return jobs.map((job) => anew.get(job.jobId) ?? job);
}
