// A job's timeline as a story: runs (a retry by a person begins the next), in each the steps in their order, in each step its
// attempts with what they did, and the waits between. Nothing here touches the page.

const DEEDS = new Set(['intended', 'paid', 'withdrawn', 'stored', 'progressed']);
/** What happens to the job as a whole. */
const TURNS = new Set(['accepted', 'cancelled', 'retried', 'failed', 'rebuilt']);

const at = (entry) => Date.parse(entry.at);

export function story(entries) {
  const runs = [];
  for (const entry of entries) {
    let run = runs.at(-1);
    if (!run || (entry.epoch > run.epoch && entry.what !== 'cancelled')) {
      run = { epoch: entry.epoch, parts: [] };
      runs.push(run);
    }
    if (TURNS.has(entry.what)) run.parts.push({ kind: 'turn', ...entry });
    else if (entry.step) tell(stepOf(run, entry), entry);
  }
  for (const run of runs) {
    run.parts = run.parts.filter((part) => part.kind === 'turn' || part.lines.length > 0);
    for (const part of run.parts) if (part.kind === 'step') close(part);
    run.parts.sort((one, other) => one.begin - other.begin || (one.kind === 'turn' ? -1 : 1) * (one.what === 'failed' ? -1 : 1));
  }
  return runs;
}

/** Looks again and again at the same step are the same step. A message is told under the step it asks for. */
function stepOf(run, entry) {
  const steps = run.parts.filter(({ kind }) => kind === 'step');
  const own = steps.findLast(({ seqs }) => seqs.has(entry.seq)) ?? (steps.at(-1)?.step === entry.step ? steps.at(-1) : undefined);
  const step = own ?? { kind: 'step', step: entry.step, seqs: new Set(), lines: [], attempts: [] };
  if (!own) run.parts.push(step);
  step.seqs.add(entry.seq);
  return step;
}

function tell(step, entry) {
  const last = step.attempts.at(-1);
  if (entry.what === 'claimed') {
    if (last && !last.ended) last.lost = true;
    const attempt = { kind: 'attempt', at: entry.at, seq: entry.seq, number: entry.attempt || 1, deeds: [], by: entry.by, signedWith: entry.signedWith, requestId: entry.requestId };
    step.attempts.push(attempt);
    step.lines.push(attempt);
  } else if (entry.what === 'ended') {
    const { durationMs, outcome, after, error } = entry;
    const end = { ended: entry.at, durationMs, outcome, after, error };
    if (last && !last.ended) Object.assign(last, end);
    else {
      const attempt = { kind: 'attempt', at: begun(entry), seq: entry.seq, number: entry.attempt || 1, deeds: [], ...end };
      step.attempts.push(attempt);
      step.lines.push(attempt);
    }
  } else if (DEEDS.has(entry.what) && last && !last.ended) deed(last, entry);
  else if (DEEDS.has(entry.what) && last) deed(last, { ...entry, late: true });
  else step.lines.push({ kind: entry.what, ...entry });
}

const begun = (entry) => new Date(at(entry) - (entry.durationMs ?? 0)).toISOString();

/** An intent and what came of it are one deed. */
function deed(attempt, entry) {
  const open = attempt.deeds.find((deed) => deed.effect === entry.effect && deed.what === 'intended');
  if (open && (entry.what === 'paid' || entry.what === 'withdrawn')) {
    Object.assign(open, { what: entry.what, receipt: entry.receipt, error: entry.error, took: at(entry) - at(open), late: entry.late });
  } else attempt.deeds.push({ ...entry });
}

/** What there is to say of a step when all is told; looks that found nothing become one line. */
function close(step) {
  step.begin = Math.min(...step.lines.map(at));
  step.end = Math.max(...step.attempts.map(({ ended, at }) => Date.parse(ended ?? at)), step.begin);
  step.workMs = step.attempts.reduce((sum, { durationMs }) => sum + (durationMs ?? 0), 0);
  const last = step.attempts.at(-1);
  step.open = last ? !last.ended || ['wait', 'away', 'retry'].includes(last.outcome) : true;
  step.running = Boolean(last && !last.ended && !last.lost);
  step.failed = last?.outcome === 'fail';
  step.errors = step.attempts.filter(({ error, lost }) => error || lost).length;
  step.lines = folded(step.lines);
}

const isLook = (line) => line.kind === 'attempt' && line.outcome === 'wait' && !line.error && line.deeds.length === 0;

function folded(lines) {
  const told = [];
  for (const line of lines) {
    const last = told.at(-1);
    // The message between two looks is of no news either.
    if (line.kind === 'published' && last?.kind === 'looks') last.held = line;
    else if (isLook(line) && last?.kind === 'looks') Object.assign(last, { count: last.count + 1, to: line.ended, after: line.after, workMs: last.workMs + (line.durationMs ?? 0), held: null });
    else {
      if (last?.held) told.push(last.held);
      if (last) last.held = null;
      told.push(isLook(line) ? { kind: 'looks', at: line.at, to: line.ended, count: 1, after: line.after, workMs: line.durationMs ?? 0 } : line);
    }
  }
  if (told.at(-1)?.held) told.push(told.at(-1).held);
  return told;
}
