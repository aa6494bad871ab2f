// Queues, flow-control keys and URL groups.

import { ask } from './ask.js';
import { badge, button, h, patch, show, tell, waiting } from './elements.js';

export function open({ beat }) {
  const parts = { queues: h('div', {}, waiting(2)), flows: h('div'), groups: h('div') };
  const root = h('section', {}, h('h1', {}, 'Queues'), parts.queues, h('h2', {}, 'Flow control'), parts.flows,
    h('h2', {}, 'URL groups'), parts.groups);

  async function refresh() {
    const [queues, flows, groups] = await Promise.all(['queues', 'flowControl', 'topics'].map((part) => ask('GET', `/v2/${part}`)));
    fill(parts.queues, queues, 'No queue yet. The first message enqueued makes one.', (it) => it.name, queue);
    fill(parts.flows, flows, 'No flow-control key is known.', (it) => it.flowControlKey, flow);
    fill(parts.groups, groups, 'No URL group yet.', (it) => it.name, group);
  }

  const steer = (path, paused, name) => {
    const deed = (verb, done) => async () => {
      await ask('POST', `${path}/${verb}`);
      tell(done);
      beat();
    };
    return h('div', { class: 'actions' }, paused
      ? button('Resume', deed('resume', 'Resumed.'), { kind: 'main', label: `Resume ${name}` })
      : button('Pause', deed('pause', 'Paused.'), { label: `Pause ${name}` }));
  };
  const queue = ({ name, lag, parallelism, paused }) =>
    row(paused, name, [`${lag} waiting`, `${parallelism} at a time`], steer(`/v2/queues/${encodeURIComponent(name)}`, paused, name));
  const flow = (it) => {
    const limits = [`${it.waitListSize} held back`, it.parallelismMax ? `${it.parallelismCount} of ${it.parallelismMax} at a time` : null,
      it.rateMax ? `${it.rateCount} of ${it.rateMax} per ${it.ratePeriod} s` : null];
    const key = it.flowControlKey;
    return row(it.isPaused, key, limits, steer(`/v2/flowControl/${encodeURIComponent(key)}`, it.isPaused, key));
  };
  const group = ({ name, endpoints }) =>
    h('li', {}, h('div', { class: 'row plain' }, h('span', { class: 'what' }, h('span', { class: 'url' }, name),
      h('span', { class: 'more' }, endpoints.map(({ url, name }) => h('span', {}, name ? `${name}: ${url}` : url))))));
  return { root, refresh, title: 'Queues', always: true };
}

const row = (paused, name, more, actions) =>
  h('li', { class: 'with' },
    h('div', { class: 'row' }, badge(paused ? 'PAUSED' : 'RUNNING'),
      h('span', { class: 'what' }, h('span', { class: 'url' }, name),
        h('span', { class: 'more' }, more.filter(Boolean).map((text) => h('span', {}, text))))),
    actions);

function fill(part, items, none, key, make) {
  if (items.length === 0) return show(part, none, () => [h('p', { class: 'muted' }, none)]);
  show(part, 'rows', () => [h('ul', { class: 'rows' })]);
  patch(part.firstChild, items, key, make);
}
