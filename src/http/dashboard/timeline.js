// A job's story on the page: each step a line with its place in time, and below it what happened in it, to open.

import { h } from './elements.js';
import { icon } from './icons.js';
import { story } from './story.js';
import { clock, length, now, since } from './times.js';
import { count, step as named } from './words.js';

export function timeline(entries, job, cut) {
  const runs = story(entries);
  return [
    cut ? h('p', { class: 'muted' }, 'Not all of it is here: of a long timeline looks that found nothing yet are dropped first, then the oldest entries.') : null,
    runs.map((run, index) => [
      runs.length > 1 ? h('h3', { class: 'run' }, index === 0 && !cut ? 'First run' : `Run ${run.epoch}`, runs[index].parts.some(({ what }) => what === 'retried') ? ' · retried by a person' : '') : null,
      h('ol', { class: 'story' }, parts(run, job, index === runs.length - 1)),
    ]),
  ];
}

function parts(run, job, isLast) {
  const steps = run.parts.filter(({ kind }) => kind === 'step');
  const first = Math.min(...run.parts.map((part) => part.begin ?? Date.parse(part.at)));
  const live = isLast && !job.completedAt;
  const last = live ? now() : Math.max(...run.parts.map((part) => part.end ?? Date.parse(part.at)));
  const scale = { first, span: Math.max(1, last - first) };
  const final = steps.at(-1);
  return run.parts.map((part) => (part.kind === 'turn' ? turn(part) : stepped(part, scale, part === final && isLast ? job : null)));
}

const TURNS = {
  accepted: ['queued', 'Accepted'], cancelled: ['cancelled', 'Cancelled'], retried: ['again', 'Retried from the failed step'],
  failed: ['failed', 'Failed for good'], rebuilt: ['again', 'Put back from what a push told, after the store had lost it'],
};

const BY = { owner: 'by its owner', operator: 'by an operator', sweep: 'by the sweep', push: 'by a push' };

function turn({ what, at, by, error }) {
  const [mark, words] = TURNS[what];
  return h('li', { class: `turn ${what}` }, icon(mark),
    h('p', {}, words, by ? ` ${BY[by] ?? `by ${by}`}` : '', error ? h('span', { class: 'error' }, ` ${error.code}: ${error.message}`) : null),
    clock(at));
}

function stepped(step, scale, job) {
  const { errors, attempts } = step;
  const kind = step.failed || (job?.status === 'failed' && step.open) ? 'failed' : step.running ? 'processing'
    : step.open ? (job?.status === 'cancelled' ? 'cancelled' : 'waiting') : 'completed';
  const details = h('details', { 'data-of': `${step.step}-${[...step.seqs][0]}`, open: kind === 'failed' || (errors > 0 && kind !== 'completed') },
    h('summary', { class: 'step' },
      icon(kind),
      h('span', { class: 'name' }, named(step.step)),
      h('span', { class: 'said' }, said(step, kind)),
      track(step, scale),
      h('span', { class: 'length number' }, step.running || (step.open && kind === 'waiting') ? since(new Date(step.begin).toISOString()) : length(step.end - step.begin))),
    h('ol', { class: 'lines' }, step.lines.map((line) => one(line))));
  return h('li', { class: kind }, details, attempts.length ? null : h('span', { class: 'quiet' }, 'not begun'));
}

const WORD = { failed: 'failed', processing: 'at work', waiting: 'waits', cancelled: 'cut off', completed: '' };

function said(step, kind) {
  const tries = step.attempts.filter((attempt) => attempt.outcome !== 'wait').length;
  const looks = step.attempts.length - tries;
  const paid = step.attempts.flatMap(({ deeds }) => deeds).filter(({ what }) => what === 'paid').length;
  return [WORD[kind], looks ? count(looks, 'look') : '', tries > 1 ? count(tries, 'attempt') : '', step.errors ? count(step.errors, 'error') : '', paid ? `${paid} paid` : '']
    .filter(Boolean).join(', ');
}

/** Where the step lies in the run, work dark and waiting pale. It repeats what the words say. */
function track(step, { first, span }) {
  const bar = h('span', { class: 'track', 'aria-hidden': 'true' });
  const place = (kind, from, to) => {
    const part = h('span', { class: kind });
    part.style.left = `${(100 * (from - first)) / span}%`;
    part.style.width = `${(100 * Math.max(0, to - from)) / span}%`;
    bar.append(part);
  };
  place('wait', step.begin, step.open ? Math.max(step.end, step.running ? now() : step.end) : step.end);
  for (const { at, ended } of step.attempts) place('work', Date.parse(at), Date.parse(ended ?? at));
  return bar;
}

function one(line) {
  switch (line.kind) {
    case 'attempt': return attempt(line);
    case 'looks':
      return item('waiting', line.at, `Looked ${line.count === 1 ? 'once' : `${line.count} times`}`,
        `nothing yet${line.count > 1 ? `, until ${''}` : ''}`, line.count > 1 ? clock(line.to) : null, line.after ? `; then every ${length(1_000 * line.after)} or so` : null);
    case 'published': return item('sent', line.at, 'Message published', ...message(line));
    case 'sentAnew': return item('again', line.at, 'Message sent anew', ...message(line));
    case 'spent': return item('warning', line.at, 'Its redeliveries were used up', ...message(line));
    default: return item('queued', line.at, line.what ?? line.kind, ...message(line));
  }
}

const message = ({ messageId, send, by, error }) => [
  messageId ? h('code', {}, messageId) : null, send > 1 ? `made ${send} times` : null, by ? BY[by] ?? by : null,
  error ? h('span', { class: 'error' }, `${error.code}: ${error.message}`) : null,
];

const item = (mark, at, title, ...more) =>
  h('li', { class: mark }, icon(mark), h('div', { class: 'line' }, h('p', {}, h('b', {}, title), ' ', spaced(more))), clock(at));

const spaced = (parts) => parts.filter(Boolean).flatMap((part) => [part, ' ']);

const OUTCOMES = {
  next: ['completed', () => 'done; the next step follows'],
  done: ['completed', () => 'done, and with it the job'],
  wait: ['waiting', ({ after }) => `nothing yet; looks again in ${length(1_000 * (after ?? 0))}`],
  away: ['waiting', ({ after }) => `the vendor is away; no attempt is used up; again ${after ? `in ${length(1_000 * after)}` : 'later'}`],
  retry: ['warning', ({ after }) => `failed; to be tried again${after ? ` in ${length(1_000 * after)}` : ''}`],
  fail: ['failed', () => 'failed for good'],
};

function attempt(line) {
  const { number, durationMs, ended, outcome, error, deeds, lost, signedWith, requestId } = line;
  const [mark, words] = ended ? OUTCOMES[outcome] ?? ['completed', () => outcome ?? 'ended'] : lost
    ? ['warning', () => 'its end was never recorded: the process died, or its lease ran out'] : ['processing', () => 'at work'];
  return h('li', { class: mark }, icon(mark),
    h('div', { class: 'line' },
      h('p', {}, h('b', {}, `Attempt ${number}`), ' ', durationMs === undefined || durationMs === null ? null : [h('span', { class: 'took' }, length(durationMs)), ' '], words(line)),
      error ? h('p', { class: 'error' }, h('code', {}, error.code), ' ', error.message) : null,
      deeds.length ? h('ul', { class: 'deeds' }, deeds.map(deed)) : null,
      signedWith || requestId ? h('p', { class: 'muted small' }, signedWith ? `signed with the ${signedWith} key` : null, signedWith && requestId ? ' · ' : null, requestId ? ['request ', h('code', {}, requestId)] : null) : null),
    clock(line.at));
}

const DEEDS = {
  intended: ['warning', 'About to be paid, and nothing heard of it since:'], paid: ['money', 'Paid:'], withdrawn: ['cancelled', 'Refused, not billed:'],
  stored: ['completed', 'Stored:'], progressed: ['again', 'Got on:'],
};

function deed({ what, effect, receipt, took, late, error }) {
  const [mark, words] = DEEDS[what];
  return h('li', {}, icon(mark), h('span', {}, words, ' ', effected(effect), receipt ? [' → ', h('code', {}, receipt)] : null,
    took === undefined ? null : h('span', { class: 'took' }, ` ${length(took)}`), late ? h('span', { class: 'warn' }, ' after the attempt’s end') : null,
    error ? h('span', { class: 'error' }, ` ${error.code}: ${error.message}`) : null));
}

/** `export:abc:1` is the first export of `abc`. */
function effected(effect = '') {
  const [deed, ...rest] = effect.split(':');
  const turn = rest.length ? rest.pop() : '';
  const nth = Number(turn) > 1 ? ` (number ${turn})` : '';
  return [`${deed}${rest.length ? ' of ' : ''}`, rest.length ? h('code', {}, rest.join(':')) : null, Number.isNaN(Number(turn)) ? ` ${turn}` : nth];
}
