// One job as its owner sees it, by its id or its project's: for whoever has an API key and not the operator's secret.

import { ask } from './ask.js';
import { cards } from './clips.js';
import { h, patch, show, state } from './elements.js';
import { isLive, status } from './words.js';

const WAIT_S = 20;
const PACE_MS = { live: 1_000, still: 3_600_000 };

export function open({ query, go, beat }) {
  let asked = read(query);
  let key = null;
  const card = cards(() => key);
  const which = h('input', { id: 'which', name: 'which', required: true, autocomplete: 'off', spellcheck: 'false', placeholder: 'job_… or a project’s id', value: asked.jobId ?? asked.projectId ?? '' });
  const secret = h('input', { id: 'key', type: 'password', autocomplete: 'off', 'aria-describedby': 'key-why' });
  const said = h('p', { class: 'error', role: 'alert' });
  const head = h('div', { class: 'looked' });
  const clips = h('ul', { class: 'clips' });
  const submit = (event) => {
    event.preventDefault();
    const id = which.value.trim();
    key = secret.value.trim() || null;
    const before = location.hash;
    go(`#/look?${new URLSearchParams({ [id.startsWith('job_') ? 'jobId' : 'projectId']: id })}`, { replace: true });
    if (location.hash === before) beat();
  };
  const root = h('section', { class: 'narrowed' },
    h('h1', {}, 'Look at one job'),
    h('form', { class: 'sheet padded look', submit },
      h('label', { for: 'which' }, 'Job or project'), which,
      h('label', { for: 'key' }, 'API key'), secret,
      h('p', { class: 'muted small', id: 'key-why' }, 'Or a user’s token; empty where the service asks for none. It is forgotten with this page.'),
      h('button', { class: 'main' }, 'Watch')),
    said, head, clips,
    h('p', { class: 'muted' }, h('a', { href: '#/', 'data-back': true }, 'The operator’s page')));

  async function refresh() {
    if (!asked.jobId && !asked.projectId) return PACE_MS.still;
    try {
      const job = await ask('GET', '/api/process-klap', { query: { ...asked, wait: head.firstChild ? WAIT_S : 0 }, bearer: key });
      said.textContent = '';
      show(head, [job.status, job.stage, job.progress, job.error], () => [
        h('div', { class: 'title' }, h('h2', {}, job.projectId), status(job.status)),
        h('span', { class: 'gauge' }, h('progress', { max: '100', value: String(job.progress), 'aria-label': 'Progress' }), h('span', { class: 'percent' }, `${job.progress} %`)),
        h('p', { class: job.error ? 'error' : 'muted', role: 'status' }, job.error ?? job.stage)]);
      patch(clips, job.clips, (clip) => clip.id, card);
      return isLive(job) ? PACE_MS.live : PACE_MS.still;
    } catch (error) {
      if (error.status === 0 || error.status >= 500) throw error;
      const words = { 401: 'This key is not let in.', 404: 'No such job, or it is somebody else’s.' };
      said.textContent = words[error.status] ?? error.message;
      show(head, error.status, () => (error.status === 404 ? state('search', 'Nothing found') : []));
      clips.replaceChildren();
      return PACE_MS.still;
    }
  }

  function turn(query) {
    asked = read(query);
    head.replaceChildren();
    head.print = undefined;
    clips.replaceChildren();
  }
  return { root, refresh, turn, title: 'One job' };
}

const read = (query) => ({ jobId: query.get('jobId'), projectId: query.get('projectId') });

export const open_to_all = true;
