// The list of messages: those first to which something happened last. A page at a time, whatever their number.

import { ask } from './ask.js';
import { badge, h, moment, pager, patch, show, state, waiting } from './elements.js';

const CHOICES = [['', 'All'], ['waiting', 'Waiting'], ['retrying', 'Retrying'], ['delivered', 'Delivered'], ['failed', 'Failed'],
  ['canceled', 'Canceled']];

/** The address of the list with these filters. */
export function address(filters) {
  const given = Object.entries(filters).filter(([, value]) => value);
  return `#/messages${given.length ? `?${new URLSearchParams(given)}` : ''}`;
}

/** A text with `label:` in it names a label; the rest is searched for. */
export function read(text) {
  const label = /(?:^|\s)label:(?:"([^"]*)"|(\S+))/.exec(text);
  const search = (label ? text.replace(label[0], ' ') : text).trim();
  return { search, label: label ? label[1] ?? label[2] : '' };
}

const written = ({ search, label }) =>
  [label && `label:${/\s/.test(label) ? `"${label}"` : label}`, search].filter(Boolean).join(' ');

export function open({ query, go }) {
  const filters = { state: query.get('state') ?? '', search: query.get('search') ?? '', label: query.get('label') ?? '' };
  const cursor = query.get('cursor');
  const list = h('div', {}, waiting());
  const pages = h('div');
  const root = h('section', {}, h('h1', { class: 'quiet' }, 'Messages'), toolbar(filters, go), list, pages);

  async function refresh() {
    const { messages, cursor: next } = await ask('GET', '/_broker/messages', { ...filters, cursor });
    if (messages.length === 0) {
      show(list, filters, () => [empty(filters, cursor)]);
    } else {
      show(list, 'rows', () => [h('ul', { class: 'rows' })]);
      patch(list.firstChild, messages, (message) => message.messageId, row);
    }
    show(pages, [next, cursor], () => [pager(next && address({ ...filters, cursor: next }), cursor && address(filters))]);
  }
  return { root, refresh, title: 'Messages' };
}

function toolbar(filters, go) {
  let typing;
  const input = h('input', {
    type: 'search', name: 'search', 'aria-label': 'Search by id, URL or label', placeholder: 'id, URL or label:name',
    autocomplete: 'off', spellcheck: 'false', value: written(filters), id: 'search',
  });
  const apply = () => go(address({ ...filters, ...read(input.value) }), { replace: true });
  input.addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(() => input.isConnected && apply(), 300);
  });
  const submit = (event) => {
    event.preventDefault();
    clearTimeout(typing);
    apply();
  };
  const choices = CHOICES.map(([value, text]) =>
    h('a', { href: address({ ...filters, state: value }), class: 'chip', 'aria-current': filters.state === value ? 'true' : null }, text));
  return h('div', { class: 'toolbar' },
    h('form', { role: 'search', submit }, input), h('nav', { class: 'chips', 'aria-label': 'States' }, choices));
}

function row(message) {
  const { messageId, state, url, method, labels = [], time, due } = message;
  return h('li', {},
    h('a', { class: 'row', href: `#/message/${encodeURIComponent(messageId)}` },
      badge(state),
      h('span', { class: 'what' },
        h('span', { class: 'url' }, method && method !== 'POST' ? h('b', {}, `${method} `) : null, url),
        h('span', { class: 'more' }, h('code', {}, messageId), ...why(message))),
      h('span', { class: 'side' },
        h('span', { class: 'labels' }, labels.map((label) => h('span', { class: 'label' }, label))),
        due === undefined ? moment(time) : h('span', { class: 'due' }, 'due ', moment(due)))));
}

function why({ responseStatus, error, queueName, scheduleId, topicName, retried, state }) {
  return [
    state !== 'DELIVERED' && responseStatus ? `answered ${responseStatus}` : null,
    error ?? null,
    retried ? `tried ${retried === 1 ? 'once' : `${retried} times`}` : null,
    queueName && `queue ${queueName}`,
    topicName && `group ${topicName}`,
    scheduleId && `schedule ${scheduleId}`,
  ].filter(Boolean).map((text) => h('span', {}, text));
}

function empty(filters, cursor) {
  if (cursor) return state('No older messages', h('p', {}, h('a', { href: address(filters) }, 'Back to the newest')));
  if (filters.state || filters.search || filters.label) {
    return state('Nothing matches', h('p', {}, 'No message is like this now. ', h('a', { href: '#/messages' }, 'Show all')));
  }
  const command = `curl -X POST ${location.origin}/v2/publish/https://example.com \\\n  -H "Authorization: Bearer $QSTASH_TOKEN" -d 'hello'`;
  return state('No message yet', h('p', {}, 'Publish one, and it shows up here by itself:'),
    h('pre', { tabindex: '0', role: 'region', 'aria-label': 'A command to publish' }, command));
}
