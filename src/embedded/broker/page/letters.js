// Dead letters: messages that will not be tried again unless somebody says so.

import { ask } from './ask.js';
import { badge, button, h, moment, pager, patch, show, state, tell, waiting } from './elements.js';

const COUNT = 25;

export function open({ query, beat }) {
  const cursor = query.get('cursor');
  const list = h('div', {}, waiting());
  const pages = h('div');
  const root = h('section', {}, h('h1', {}, 'Dead letters'),
    h('p', { class: 'muted' }, 'Given up after their last attempt, and kept for seven days. A retry is a new message with a new id.'), list, pages);

  async function refresh() {
    const { messages, cursor: next } = await ask('GET', '/v2/dlq', { count: COUNT, cursor });
    if (messages.length === 0) {
      show(list, 'none', () => [state('No dead letters', h('p', {}, 'Whatever was published has arrived, or is still being tried.'))]);
    } else {
      show(list, 'rows', () => [h('ul', { class: 'rows' })]);
      // The rest may be large, and no row shows it.
      const brief = messages.map(({ dlqId, messageId, url, method, labels, responseStatus, responseBody }) =>
        ({ dlqId, messageId, url, method, labels, responseStatus, answer: responseBody?.slice(0, 200) }));
      patch(list.firstChild, brief, ({ dlqId }) => dlqId, row);
    }
    show(pages, [next, cursor], () => [pager(next && `#/dead?cursor=${encodeURIComponent(next)}`, cursor && '#/dead')]);
  }

  function row({ dlqId, messageId, url, method, labels = [], responseStatus, answer }) {
    const retry = async () => {
      await ask('POST', `/v2/dlq/retry/${encodeURIComponent(dlqId)}`);
      tell('Published again, as a new message.');
      beat();
    };
    const remove = async () => {
      await ask('DELETE', `/v2/dlq/${encodeURIComponent(dlqId)}`);
      tell('Deleted.');
      beat();
    };
    return h('li', { class: 'with' },
      h('a', { class: 'row', href: `#/message/${encodeURIComponent(messageId)}` },
        badge('FAILED'),
        h('span', { class: 'what' },
          h('span', { class: 'url' }, method && method !== 'POST' ? h('b', {}, `${method} `) : null, url),
          h('span', { class: 'more' }, h('code', {}, messageId),
            h('span', {}, responseStatus ? `answered ${responseStatus}` : 'no answer'), answer ? h('span', { class: 'clip' }, answer) : null)),
        h('span', { class: 'side' },
          h('span', { class: 'labels' }, labels.map((label) => h('span', { class: 'label' }, label))),
          moment(Number(dlqId.split('-')[0])))),
      h('div', { class: 'actions' },
        button('Retry', retry, { kind: 'main', label: `Retry ${messageId}` }),
        button('Delete', remove, { kind: 'bad', sure: 'Really?', label: `Delete ${messageId}` })));
  }
  return { root, refresh, title: 'Dead letters' };
}
