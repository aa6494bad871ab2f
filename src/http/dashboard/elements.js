// How anything comes onto the page. What jobs carry is a stranger's: it becomes text here and nothing else, and a link leads
// to a part of this page, or is made by `outside`.

import { icon } from './icons.js';

/** An element; a child is an element, a text or nothing. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'href' && !value.startsWith('#/')) throw new Error('a link leads within the page');
    if (typeof value === 'function') element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Whether an address of somebody else's is one that a browser may be led to. */
export function fetchable(url) {
  try {
    return ['http:', 'https:'].includes(new URL(url, location.href).protocol);
  } catch {
    return false;
  }
}

/** A link that leaves the page; text alone where the address is none. */
export function outside(url, ...children) {
  if (!fetchable(url)) return h('span', {}, children);
  const link = h('a', { target: '_blank', rel: 'noopener noreferrer' }, children);
  link.setAttribute('href', url);
  return link;
}

/** Makes `parent` show the items, leaving alone what has not changed: focus, open details and selections stay. */
export function patch(parent, items, key, make) {
  const focus = document.activeElement;
  const held = parent.contains(focus) ? focus.closest('[data-key]')?.dataset.key : undefined;
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let before = null;
  for (const item of items) {
    const [id, print] = [String(key(item)), JSON.stringify(item)];
    let element = known.get(id);
    known.delete(id);
    if (!element || element.print !== print) {
      const old = element;
      element = make(item, old);
      [element.dataset.key, element.print] = [id, print];
      if (old && old !== element) {
        keep(old, element);
        old.replaceWith(element);
      }
    }
    const place = before ? before.nextSibling : parent.firstChild;
    if (place !== element) parent.insertBefore(element, place);
    before = element;
  }
  known.forEach((gone) => gone.remove());
  if (held !== undefined && !(focus.isConnected && document.activeElement === focus)) refocus(parent, held, focus);
}

/** Details by their names; what a reader opened or closed by hand is marked, and stays so. */
const named = (root) => new Map([...root.querySelectorAll('details[data-of]')].map((details) => [details.dataset.of, details]));

document.addEventListener('click', (event) => {
  const details = event.target.closest?.('summary')?.parentElement;
  if (details) details.dataset.turned = '';
});

function keep(old, element) {
  // Nothing fades in again.
  element.classList.add('again');
  const before = old instanceof Map ? old : named(old);
  for (const [of, details] of named(element)) {
    const turned = before.get(of);
    if (turned?.dataset.turned === undefined) continue;
    details.open = turned.open;
    details.dataset.turned = '';
  }
}

function refocus(parent, held, focus) {
  if (focus.isConnected) return focus.focus({ preventScroll: true });
  const row = [...parent.children].find((child) => child.dataset.key === held);
  const places = [...(row ?? parent).querySelectorAll('a, button, summary, input')];
  (places.find((place) => nameOf(place) === nameOf(focus)) ?? (row && places[0]))?.focus({ preventScroll: true });
}

/** Replaces what `parent` shows, if `data` is not what it shows already. */
export function show(parent, data, make) {
  const print = JSON.stringify(data);
  if (parent.print === print) return;
  const first = parent.print === undefined;
  parent.print = print;
  const held = parent.contains(document.activeElement) ? nameOf(document.activeElement) : null;
  const details = named(parent);
  parent.replaceChildren(...[make()].flat(4).filter(Boolean));
  if (!first) keep(details, parent);
  if (held === null) return;
  [...parent.querySelectorAll('a, button, summary, input, pre')].find((it) => nameOf(it) === held)?.focus({ preventScroll: true });
}

/** What an element is known by when another takes its place. */
const nameOf = (element) =>
  element.id || (element.tagName === 'SUMMARY' && element.parentElement.dataset.of) || element.getAttribute('aria-label') || element.textContent;

/** Changes a text only where it differs, so that nothing is read out twice. */
export function text(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

/** A button whose deed runs once at a time. */
export function button(words, deed, { kind = '', label = null, mark = null, id = null } = {}) {
  const element = h('button', { type: 'button', class: kind, 'aria-label': label, id }, mark && icon(mark), words);
  element.addEventListener('click', async () => {
    if (element.getAttribute('aria-disabled') === 'true') return;
    element.setAttribute('aria-disabled', 'true');
    try {
      await deed(element);
    } catch (error) {
      tell(error.message, true);
    } finally {
      element.removeAttribute('aria-disabled');
    }
  });
  return element;
}

let quiet;
/** Says in passing what was done, or why not. */
export function tell(words, bad = false) {
  const told = document.getElementById('told');
  told.textContent = words;
  told.className = bad ? 'told bad' : 'told good';
  clearTimeout(quiet);
  quiet = setTimeout(() => told.classList.remove('good', 'bad'), bad ? 9_000 : 5_000);
}

/** What is said where there is nothing to list. */
export const state = (mark, title, ...more) => h('div', { class: 'state' }, icon(mark), h('h2', {}, title), ...more);

export const bones = (rows = 6) =>
  h('div', { class: 'sheet loading', role: 'status', 'aria-label': 'Loading' },
    Array.from({ length: rows }, () => h('div', { class: 'bone-row' }, h('span', { class: 'bone' }), h('span', { class: 'bone' }))));

/** Pairs of a term and what it is; those without are left out. */
export const facts = (pairs, kind = '') =>
  h('dl', { class: `facts ${kind}` },
    pairs.filter(([, value]) => value !== null && value !== undefined && value !== '' && value !== false)
      .map(([term, value]) => h('div', {}, h('dt', {}, term), h('dd', {}, value))));

export const block = (words, label) => h('pre', { tabindex: '0', 'aria-label': label, role: 'region' }, words);

/** A mark, a word and a colour: none of them alone. */
export const badge = (kind, mark, words) => h('span', { class: `badge ${kind}` }, icon(mark), words);

/** An id, with a button that copies it. */
export function id(words, what) {
  if (!words) return null;
  const copy = button('', async () => {
    await navigator.clipboard.writeText(words);
    tell(`${what} copied.`);
  }, { kind: 'copy', label: `Copy ${what.toLowerCase()}`, mark: 'copy' });
  return h('span', { class: 'id' }, h('code', {}, words), navigator.clipboard ? copy : null);
}
