// Puts the page together: who looks, which part is open, and the heartbeat that keeps it right. Each beat asks the broker
// for one word that changes whenever anything happened, and only then the open part for its news; what takes long is asked less
// often, and nothing is asked while nobody looks.

import { ask, find, forget, token, use } from './ask.js';
import { button, h, state } from './elements.js';
import * as letters from './letters.js';
import * as message from './message.js';
import * as messages from './messages.js';
import * as schedules from './schedules.js';
import * as settings from './settings.js';
import { set, turn } from './times.js';

const PARTS = { messages, message, dead: letters, schedules, settings };
const BEAT_MS = { least: 1_000, most: 15_000 };

const main = document.getElementById('main');
const nav = document.getElementById('nav');
const trouble = document.getElementById('trouble');
let users = [];
let part = null;
let heard = null;
let timer;
let beating = false;
let again = false;

function route() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const [name, ...rest] = path.split('/');
  let id = rest.join('/');
  try {
    id = decodeURIComponent(id);
  } catch {
    // As it stands, then.
  }
  return { name: Object.hasOwn(PARTS, name) ? name : 'messages', id, query: new URLSearchParams(query) };
}

function go(hash, { replace = false } = {}) {
  if (location.hash === hash) return;
  if (!replace) {
    location.hash = hash;
    return;
  }
  history.replaceState(null, '', hash);
  open();
}

function open() {
  const { name, id, query } = route();
  const held = document.activeElement?.id;
  const [from, to] = held === 'search' ? [document.activeElement.selectionStart, document.activeElement.selectionEnd] : [];
  const text = document.getElementById('search')?.value;
  part = PARTS[name].open({ id, query, go, beat });
  heard = null;
  main.replaceChildren(part.root);
  document.title = `${part.title} · Broker`;
  const shown = name === 'message' ? 'messages' : name;
  for (const link of nav.querySelectorAll('a')) {
    if (link.hash === `#/${shown}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  const search = document.getElementById('search');
  if (held === 'search' && search) {
    search.value = text;
    search.focus();
    search.setSelectionRange(from, to);
  }
  beat();
}

/** One look at the broker, and the next one soon. */
async function beat() {
  again = true;
  if (beating) return;
  beating = true;
  let took = 0;
  while (again) {
    again = false;
    const began = performance.now();
    await look(part);
    took = performance.now() - began;
  }
  beating = false;
  clearTimeout(timer);
  const pause = Math.min(Math.max(10 * took, BEAT_MS.least), BEAT_MS.most);
  if (token() && !document.hidden) timer = setTimeout(beat, pause);
}

async function look(at) {
  if (!token()) return;
  try {
    const { now, word } = await ask('GET', '/_broker/pulse');
    set(now);
    if (at === part && (heard !== word || at.always)) {
      await at.refresh();
      if (at === part) heard = word;
    }
    turn();
    trouble.hidden = true;
  } catch (error) {
    if (at !== part) return;
    if (error.status === 401) return door('This token is not the broker’s.');
    if (heard === null) main.querySelector('.loading')?.replaceWith(failed(error));
    trouble.textContent = `${error.message} Trying again.`;
    trouble.hidden = false;
  }
}

const failed = (error) =>
  state('This could not be loaded', h('p', {}, error.message), button('Try again', async () => open(), { kind: 'main' }));

/** Asks for a token. */
function door(why = '') {
  forget();
  part = null;
  again = false;
  nav.hidden = document.getElementById('keys').hidden = true;
  trouble.hidden = true;
  document.getElementById('who').replaceChildren();
  document.title = 'Broker';
  const input = h('input', {
    type: 'password', id: 'token', name: 'token', autocomplete: 'current-password', required: true,
    'aria-describedby': 'why',
  });
  const enter = (event) => {
    event.preventDefault();
    use(input.value.trim());
    begin();
  };
  main.replaceChildren(h('form', { class: 'door', submit: enter },
    h('h1', {}, 'Who looks?'),
    h('p', { class: 'muted' }, 'The page shows what your token may see. It stays in this tab and is sent to this broker alone.'),
    h('label', { for: 'token' }, 'QSTASH_TOKEN'), input,
    h('p', { id: 'why', class: 'error', role: 'alert' }, why), h('button', { class: 'main' }, 'Look')));
  input.focus();
}

function begin() {
  nav.hidden = document.getElementById('keys').hidden = false;
  const who = document.getElementById('who');
  const choose = (event) => {
    use(event.target.value);
    location.hash = '#/messages';
    open();
  };
  if (users.some((user) => user.token === token())) {
    who.replaceChildren(h('select', { 'aria-label': 'User', change: choose },
      users.map((user) => h('option', { value: user.token, selected: user.token === token() }, user.name))));
  } else {
    who.replaceChildren(button('Leave', async () => door()));
  }
  open();
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const writing = event.target.closest('input, select, textarea');
  const search = document.getElementById('search');
  if (event.key === '/' && !writing && search) {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === 'Escape') {
    if (writing) writing.blur();
    else if (route().name === 'message') go('#/messages');
  } else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && (!writing || writing === search)) {
    const rows = [...document.querySelectorAll('a.row')];
    const at = rows.findIndex((row) => row === document.activeElement);
    if (at < 0 && !(writing === search && event.key === 'ArrowDown')) return;
    const next = rows[at + (event.key === 'ArrowDown' ? 1 : -1)];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  }
}

async function start() {
  addEventListener('hashchange', () => {
    if (!part) return;
    open();
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  });
  addEventListener('keydown', press);
  document.addEventListener('visibilitychange', () => part && !document.hidden && beat());
  setInterval(turn, 1_000);
  users = await find('/_broker/users').catch(() => null) ?? [];
  if (!token() && users.length) use(users[0].token);
  if (token()) begin();
  else door();
}

start();
