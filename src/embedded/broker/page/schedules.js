// Schedules: when each fires next, what became of its last messages, pause and resume.

import { ask } from './ask.js';
import { badge, button, h, moment, patch, show, state, tell, waiting } from './elements.js';

export function open({ beat }) {
  const list = h('div', {}, waiting(3));
  const root = h('section', {}, h('h1', {}, 'Schedules'), list);

  async function refresh() {
    const all = await ask('GET', '/v2/schedules');
    if (all.length === 0) {
      show(list, 'none', () => [state('No schedules', h('p', {}, 'One is made by a POST to ', h('code', {}, '/v2/schedules/<destination>'), ' with ', h('code', {}, 'Upstash-Cron'), '.'))]);
      return;
    }
    show(list, 'rows', () => [h('ul', { class: 'rows' })]);
    patch(list.firstChild, all, ({ scheduleId }) => scheduleId, row);
  }

  function row(schedule) {
    const { scheduleId: id, cron, destination, isPaused, nextScheduleTime: next, lastScheduleTime: last, error } = schedule;
    const path = `/v2/schedules/${encodeURIComponent(id)}`;
    const doing = (method, path, done) => async () => {
      await ask(method, path);
      tell(done);
      beat();
    };
    const ends = Object.entries(schedule.lastScheduleStates ?? {}).map(([messageId, state]) =>
      h('a', { href: `#/message/${encodeURIComponent(messageId)}`, class: `end ${state.toLowerCase()}` }, WORDS[state] ?? state));
    return h('li', { class: 'with' },
      h('div', { class: 'row' },
        badge(isPaused ? 'PAUSED' : 'RUNNING'),
        h('span', { class: 'what' },
          h('span', { class: 'url' }, destination),
          h('span', { class: 'more' }, h('code', {}, cron), h('code', {}, id),
            last ? h('span', {}, 'last ', moment(last), ends.length ? ': ' : '', ...ends.flatMap((end) => [end, ' '])) : h('span', {}, 'not fired yet'),
            error ? h('span', { class: 'error' }, error) : null)),
        h('span', { class: 'side' }, !isPaused && next ? h('span', {}, 'next ', moment(next)) : null)),
      h('div', { class: 'actions' },
        isPaused ? button('Resume', doing('POST', `${path}/resume`, 'Resumed.'), { kind: 'main', label: `Resume ${id}` })
          : button('Pause', doing('POST', `${path}/pause`, 'Paused.'), { label: `Pause ${id}` }),
        button('Delete', doing('DELETE', path, 'Deleted.'), { kind: 'bad', sure: 'Really?', label: `Delete ${id}` })));
  }
  return { root, refresh, title: 'Schedules', always: true };
}

const WORDS = { IN_PROGRESS: 'under way', SUCCESS: 'delivered', FAIL: 'failed' };
