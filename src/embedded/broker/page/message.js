// One message: what it is, every attempt to deliver it, and what may be done with it.

import { ask, decoded, find } from './ask.js';
import { badge, block, button, facts, h, headers, moment, patch, show, state, tell, waiting } from './elements.js';
import { address } from './messages.js';
import { exact, length } from './times.js';

const LINES_MAX = 500;

/** A message's part of the log, oldest line first, no more than anyone reads. */
async function lines(messageId) {
  const all = [];
  let cursor;
  do {
    const page = await ask('GET', '/v2/logs', { messageId, order: 'earliestFirst', count: 100, cursor });
    all.push(...page.logs);
    cursor = page.cursor;
  } while (cursor && all.length < LINES_MAX);
  return all;
}

/** The log's lines as what happened: publication, attempts with their ends, and the end of it all. */
export function story(lines) {
  const happened = [];
  let attempt = null;
  let tries = 0;
  for (const line of lines) {
    const { state, time } = line;
    if (state === 'CREATED') happened.push({ kind: 'published', time });
    if (state === 'ACTIVE') happened.push((attempt = { kind: 'attempt', number: ++tries, time }));
    if (attempt && (state === 'ERROR' || state === 'DELIVERED')) {
      const { responseStatus: status, error, responseBody, responseHeader: header } = line;
      Object.assign(attempt, { ended: time, good: state === 'DELIVERED', status, error, answer: decoded(responseBody), header });
    }
    if (attempt && state === 'RETRY') attempt.next = line.nextDeliveryTime;
    if (state === 'FAILED') happened.push({ kind: 'dead', time });
    if (state === 'CANCELED') happened.push({ kind: 'canceled', time });
  }
  return happened;
}

export function open({ id, go, beat }) {
  const head = h('div', { class: 'head' }, waiting(2));
  const timeline = h('ol', { class: 'timeline' });
  const body = h('div');
  const root = h('section', {}, h('p', { class: 'back' }, h('a', { href: '#/messages' }, '← Messages')), head, timeline, body);

  async function refresh() {
    // The message last: one that ends in between is then told by its log at the next look.
    const [log, letters] = await Promise.all([lines(id), ask('GET', '/v2/dlq', { messageId: id, count: 1 })]);
    const live = await find(`/v2/messages/${encodeURIComponent(id)}`);
    const letter = letters.messages[0];
    const known = live ?? letter ?? log.at(-1);
    if (!known) {
      show(head, 'none', () => [state('No such message', h('p', {}, 'Neither alive, nor dead, nor in the log, which keeps three days.'))]);
      return;
    }
    const happened = story(log);
    const word = live ? (happened.some(({ kind }) => kind === 'attempt') ? 'RETRY' : 'CREATED') : log.at(-1)?.state ?? 'FAILED';
    if (live) happened.push(coming(happened, live));
    for (const it of happened) if (it.kind === 'dead') it.kept = Boolean(letter);
    show(head, [word, known, letter?.dlqId], () => heading(word, known, log[0], actions(live, letter)));
    patch(timeline, happened, ({ kind, number, time }) => `${kind} ${number ?? time}`, entry);
    show(body, [live?.body, live?.bodyBase64, letter?.body, letter?.bodyBase64, known.header], () => content(live ?? letter, known));
  }

  function actions(live, letter) {
    if (live) return [button('Cancel', cancel, { kind: 'bad', sure: 'Really cancel?' })];
    if (!letter) return [];
    return [button('Retry', () => retry(letter.dlqId), { kind: 'main' }),
      button('Delete', () => remove(letter.dlqId), { kind: 'bad', sure: 'Really delete?' })];
  }
  async function cancel() {
    await ask('DELETE', `/v2/messages/${encodeURIComponent(id)}`);
    tell('Canceled.');
    beat();
  }
  async function retry(dlqId) {
    const { messageId } = await ask('POST', `/v2/dlq/retry/${encodeURIComponent(dlqId)}`);
    tell('Published again, as a new message.');
    go(`#/message/${encodeURIComponent(messageId)}`);
  }
  async function remove(dlqId) {
    await ask('DELETE', `/v2/dlq/${encodeURIComponent(dlqId)}`);
    tell('Deleted.');
    go('#/dead');
  }
  return { root, refresh, title: 'Message' };
}

function coming(happened, { notBefore }) {
  const attempts = happened.filter(({ kind }) => kind === 'attempt');
  return { kind: 'coming', number: attempts.length + 1, at: attempts.at(-1)?.next ?? notBefore };
}

function heading(word, known, first, actions) {
  const labels = (known.labels ?? []).map((label) => h('a', { class: 'label', href: address({ label }) }, label));
  const since = known.createdAt ?? first?.time;
  return [
    h('div', { class: 'title' }, badge(word), h('h1', {}, h('span', { class: 'method' }, known.method ?? 'POST'), ' ', known.url),
      h('div', { class: 'actions' }, actions)),
    facts([
      ['Id', h('code', {}, known.messageId)],
      ['Published', since && h('span', {}, moment(since), ` · ${exact(since)}`)],
      ['Labels', labels.length ? h('span', { class: 'labels' }, labels) : null],
      ['Retries at most', known.maxRetries === undefined ? null : String(known.maxRetries)],
      ['Retry delay', (known.retryDelayExpression && h('code', {}, known.retryDelayExpression)) || null],
      ['Queue', known.queueName], ['URL group', known.topicName], ['Schedule', known.scheduleId],
      ['Flow control', known.flowControlKey], ['Callback', known.callback], ['Failure callback', known.failureCallback],
    ]),
    h('h2', {}, 'What happened'),
  ];
}

function entry(it) {
  switch (it.kind) {
    case 'published': return item('plain', 'Published', it.time);
    case 'canceled': return item('canceled', 'Canceled', it.time);
    case 'dead':
      return item('failed', 'Given up', it.time, h('p', {}, it.kept ? 'Kept among the dead letters, to be retried or deleted.'
        : 'No longer among the dead letters: retried, deleted, or past its seven days.'));
    case 'coming': return item('coming', `Attempt ${it.number}`, it.at, h('p', {}, 'Due then; later if it has to wait for its turn.'));
    default: return attempted(it);
  }
}

function attempted({ number, time, ended, good, status, error, answer, header, next }) {
  const took = ended === undefined ? null : `took ${length(ended - time)}`;
  const result = status ? `answered ${status}` : error ? 'no answer' : null;
  return item(good ? 'delivered' : 'retrying', `Attempt ${number}`, time,
    h('p', {}, [result, took].filter(Boolean).join(', ')),
    error && h('p', { class: 'error' }, error),
    answer && block(answer, `What attempt ${number} was answered`),
    headers('Headers of the answer', header),
    next && h('p', { class: 'next' }, 'To be tried again at ', h('time', { datetime: new Date(next).toISOString() }, exact(next))));
}

const item = (kind, title, time, ...more) =>
  h('li', { class: kind }, h('div', { class: 'when' }, h('h3', {}, title), moment(time)), ...more);

function content(kept, known) {
  const text = kept ? kept.body ?? decoded(kept.bodyBase64) : null;
  return [
    h('h2', {}, 'What it carries'),
    text === null ? h('p', { class: 'muted' }, 'The body is not kept after the end.')
      : text === '' ? h('p', { class: 'muted' }, 'An empty body.') : block(text, 'Body'),
    headers('Headers', known.header),
  ];
}
