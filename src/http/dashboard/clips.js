// A job's clips: those that are stored play. Of a private bucket the service tells an address that soon expires to whoever
// shows the right key; a player sends none.

import { ask } from './ask.js';
import { badge, block, fetchable, h, outside } from './elements.js';
import { length } from './times.js';
import { bytes } from './words.js';

/** An address that failed sooner has not expired. */
const RENEWED_MS = 60_000;

const STATES = {
  pending: ['queued', 'Pending'], exporting: ['processing', 'Exporting'], storing: ['processing', 'Storing'], stored: ['completed', 'Stored'],
  failed: ['failed', 'Failed'],
};

/** Makes cards, with the key that opens private clips. A card's player is kept while the address is the same, so that it goes on playing. */
export const cards = (key) => (clip, old) => card(clip, old, key);

function card(clip, old, key) {
  const [kind, words] = STATES[clip.status] ?? ['queued', clip.status];
  const playing = old?.querySelector('video');
  const stage = clip.url && fetchable(clip.url) ? (playing?.dataset.of === clip.url ? playing : player(clip, key)) : h('div', { class: 'blank' }, badge(kind, kind, words));
  return h('li', { class: 'clip' },
    stage,
    h('div', { class: 'about' },
      h('h3', {}, clip.title || clip.id),
      h('p', { class: 'aside' },
        clip.url ? badge(kind, kind, words) : null,
        clip.duration ? h('span', {}, length(1_000 * clip.duration)) : null,
        clip.size ? h('span', {}, bytes(clip.size)) : null,
        typeof clip.score === 'number' ? h('span', { title: 'How likely it is to spread, by Klap’s reckoning' }, `score ${Math.round(100 * clip.score)}`) : null,
        clip.url && !isPrivate(clip) ? outside(clip.url, 'Open the file') : null),
      clip.error ? h('p', { class: 'error' }, clip.error) : null,
      clip.viralityExplanation || clip.transcript ? h('details', { 'data-of': clip.id }, h('summary', {}, 'What Klap says'),
        clip.viralityExplanation ? h('p', {}, clip.viralityExplanation) : null,
        clip.transcript ? block(clip.transcript, `Transcript of ${clip.title || clip.id}`) : null) : null));
}

const isPrivate = ({ url }) => url.startsWith('/api/clips/');

function player(clip, key) {
  const video = h('video', { controls: true, preload: 'metadata', playsinline: true, 'aria-label': clip.title || clip.id, 'data-of': clip.url });
  let asked = -Infinity;
  const give = (words) => video.replaceWith(h('p', { class: 'blank' }, words));
  const load = async () => {
    asked = performance.now();
    try {
      video.src = isPrivate(clip) ? (await ask('GET', clip.url, { bearer: key() })).url : clip.url;
    } catch (error) {
      give(`It cannot be played: ${error.message}`);
    }
  };
  video.addEventListener('error', () => {
    // Its address may have expired while nobody watched.
    if (isPrivate(clip) && performance.now() - asked > RENEWED_MS) {
      const at = video.currentTime;
      video.addEventListener('loadedmetadata', () => { video.currentTime = at; }, { once: true });
      load();
    } else give('It cannot be played: its address answers no film.');
  });
  load();
  return video;
}
