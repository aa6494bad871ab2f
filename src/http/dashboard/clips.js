// A job's clips: those that are stored play.

import { badge, block, fetchable, h, outside } from './elements.js';
import { length } from './times.js';
import { bytes } from './words.js';

const STATES = {
  pending: ['queued', 'Pending'], exporting: ['processing', 'Exporting'], storing: ['processing', 'Storing'], stored: ['completed', 'Stored'],
  failed: ['failed', 'Failed'],
};

/** One clip's card. Its player is kept while the address is the same, so that it goes on playing. */
export function card(clip, old) {
  const [kind, words] = STATES[clip.status] ?? ['queued', clip.status];
  const playing = old?.querySelector('video');
  const stage = clip.url && fetchable(clip.url) ? (playing?.dataset.of === clip.url ? playing : player(clip)) : h('div', { class: 'blank' }, badge(kind, kind, words));
  return h('li', { class: 'clip' },
    stage,
    h('div', { class: 'about' },
      h('h3', {}, clip.title || clip.id),
      h('p', { class: 'aside' },
        clip.url ? badge(kind, kind, words) : null,
        clip.duration ? h('span', {}, length(1_000 * clip.duration)) : null,
        clip.size ? h('span', {}, bytes(clip.size)) : null,
        typeof clip.score === 'number' ? h('span', { title: 'How likely it is to spread, by Klap’s reckoning' }, `score ${Math.round(100 * clip.score)}`) : null,
        clip.url ? outside(clip.url, 'Open the file') : null),
      clip.error ? h('p', { class: 'error' }, clip.error) : null,
      clip.viralityExplanation || clip.transcript ? h('details', { 'data-of': clip.id }, h('summary', {}, 'What Klap says'),
        clip.viralityExplanation ? h('p', {}, clip.viralityExplanation) : null,
        clip.transcript ? block(clip.transcript, `Transcript of ${clip.title || clip.id}`) : null) : null));
}

function player(clip) {
  const video = h('video', { controls: true, preload: 'metadata', playsinline: true, 'aria-label': clip.title || clip.id, 'data-of': clip.url });
  video.src = clip.url;
  video.addEventListener('error', () => {
    const told = h('p', { class: 'blank' }, clip.url.startsWith('/api/clips/')
      ? 'Its bucket is private: only the job’s owner is let in to play it.'
      : 'It cannot be played: its address answers no film.');
    video.replaceWith(told);
  });
  return video;
}
