// Puts the page together: who looks, which part is open, and the heartbeat that keeps it right. A part says how soon it is
// worth asking again; nothing is asked while nobody looks, and less and less while the service is away.

import * as audit from './audit.js';
import { forget, secret } from './ask.js';
import { door } from './door.js';
import { button, h, state, text } from './elements.js';
import { icon } from './icons.js';
import * as job from './job.js';
import * as jobs from './jobs.js';
import { press } from './keys.js';
import * as letters from './letters.js';
import * as look from './look.js';
import * as overview from './overview.js';
import { turn } from './times.js';

const PARTS = { '': overview, jobs, job, letters, audit, look };
const NAV = [['', 'overview', 'Overview'], ['jobs', 'jobs', 'Jobs'], ['letters', 'letters', 'Dead letters'], ['audit', 'audit', 'Audit trail']];
const BEAT_MS = { least: 1_000, usual: 5_000, away: [2_000, 4_000, 8_000, 15_000] };

const main = document.getElementById('main');
const nav = document.getElementById('nav');
const trouble = document.getElementById('trouble');
let part = null;
let shown = null;
let timer;
let beating = false;
let again = false;
let missed = 0;

/** `#/jobs/job_1` is the part `job`, `#/jobs?status=failed` the part `jobs`. */
function route() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const [first, ...rest] = path.split('/');
  let id = rest.join('/');
  try {
    id = decodeURIComponent(id);
  } catch {
    // As it stands, then.
  }
  const name = first === 'jobs' && id ? 'job' : first;
  return { name: Object.hasOwn(PARTS, name) && first !== 'job' ? name : '', id, query: new URLSearchParams(query) };
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
  const at = route();
  if (!secret() && !PARTS[at.name].open_to_all) return closed();
  // A part that only changes what it lists stays, with its focus and what is written in it.
  if (part && shown === `${at.name}/${at.id}` && part.turn) {
    part.turn(at.query);
    return beat();
  }
  part?.close?.();
  shown = `${at.name}/${at.id}`;
  part = PARTS[at.name].open({ ...at, go, beat });
  part.fresh = true;
  main.replaceChildren(part.root);
  document.title = `${part.title} · Cliprelay`;
  around();
  const current = at.name === 'job' ? 'jobs' : at.name;
  for (const link of nav.querySelectorAll('a')) {
    if (link.hash === `#/${current}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  beat();
}

/** One look at the service, and the next one when it is worth it. */
async function beat() {
  again = true;
  if (beating) return;
  beating = true;
  let pause = BEAT_MS.usual;
  while (again && part) {
    again = false;
    pause = await refresh(part);
  }
  beating = false;
  clearTimeout(timer);
  if (part && !document.hidden) timer = setTimeout(beat, pause);
}

async function refresh(at) {
  try {
    const began = performance.now();
    const pace = await at.refresh() ?? BEAT_MS.usual;
    if (at !== part) return 0;
    at.fresh = false;
    missed = 0;
    turn();
    trouble.hidden = true;
    text(trouble, '');
    document.body.classList.remove('away');
    // A service that answers slowly is asked less often.
    return Math.max(pace, BEAT_MS.least, 5 * (performance.now() - began));
  } catch (error) {
    if (at !== part) return 0;
    if (error.status === 401) {
      closed('This secret is not the service’s, or not any more.');
      return BEAT_MS.usual;
    }
    return away(error, at);
  }
}

/** What was shown stays, and is said to be old. */
function away(error, at) {
  if (!('status' in error)) console.error(error);
  const pause = Math.max(BEAT_MS.away[Math.min(missed, BEAT_MS.away.length - 1)], 1_000 * (error.after ?? 0));
  missed += 1;
  if (at.fresh) {
    main.querySelector('.loading')?.replaceWith(state('away', 'This could not be loaded', h('p', {}, error.message),
      button('Try again', async () => { shown = null; open(); }, { kind: 'main' })));
  }
  text(trouble, `${error.message} ${at.fresh ? '' : 'What is shown may be old. '}Trying again by itself.`);
  trouble.hidden = false;
  document.body.classList.add('away');
  return pause;
}

/** Nobody is in: asks for the secret. */
function closed(why = '') {
  part?.close?.();
  [part, shown, again] = [null, null, false];
  clearTimeout(timer);
  trouble.hidden = true;
  document.body.classList.remove('away');
  forget();
  around();
  document.title = 'Cliprelay';
  main.replaceChildren(door(why, open));
  main.querySelector('input')?.focus();
}

/** What stands around the parts. */
function around() {
  const inside = Boolean(secret());
  nav.hidden = document.getElementById('keys').hidden = !inside;
  document.body.classList.toggle('inside', inside);
  if (!nav.firstChild) {
    nav.append(...NAV.map(([name, mark, words]) => {
      const link = h('a', { href: `#/${name}` }, icon(mark), h('span', {}, words));
      return link;
    }));
  }
  const who = document.getElementById('who');
  if (inside !== Boolean(who.firstChild)) {
    who.replaceChildren(...(inside ? [button('Log out', async () => closed(), { kind: 'quiet' })] : []));
  }
}

function start() {
  addEventListener('hashchange', () => {
    const before = shown;
    open();
    if (shown === before || !shown) return;
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  });
  addEventListener('keydown', (event) => press(event, go));
  document.getElementById('skip').addEventListener('click', (event) => {
    // The part is in the address after the `#`, which is not for a place on the page.
    event.preventDefault();
    main.focus();
  });
  document.addEventListener('visibilitychange', () => part && !document.hidden && beat());
  addEventListener('online', () => part && beat());
  setInterval(turn, 1_000);
  const asked = new URLSearchParams(location.search);
  const [job, project] = [asked.get('jobId'), asked.get('projectId')];
  if (job || project) history.replaceState(null, '', `${location.pathname}#/look?${new URLSearchParams(job ? { jobId: job } : { projectId: project })}`);
  open();
}

start();
