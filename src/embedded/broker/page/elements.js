// How anything comes onto the page. What a message carries is a stranger's: it becomes text here and nothing else, and
// a link leads to a part of this page or nowhere.

import { moment } from './times.js';

/** An element; a child is an element, a text or nothing. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'href' && !value.startsWith('#/')) throw new Error('a link leads within the page');
    if (typeof value === 'function') element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Makes `parent` show the items, leaving alone what has not changed: focus, open details and selections stay. */
export function patch(parent, items, key, make) {
  const focus = document.activeElement;
  const held = parent.contains(focus) ? focus.closest('[data-key]')?.dataset.key : undefined;
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, at) => {
    const [id, print] = [String(key(item)), JSON.stringify(item)];
    let element = known.get(id);
    known.delete(id);
    if (!element || element.print !== print) {
      const before = element;
      element = make(item);
      [element.dataset.key, element.print] = [id, print];
      if (before?.querySelector('details[open]')) element.querySelector('details')?.setAttribute('open', '');
      before?.replaceWith(element);
    }
    if (parent.children[at] !== element) parent.insertBefore(element, parent.children[at] ?? null);
  });
  known.forEach((gone) => gone.remove());
  if (held !== undefined && !(focus.isConnected && document.activeElement === focus)) refocus(parent, held, focus);
}

function refocus(parent, held, focus) {
  if (focus.isConnected) return focus.focus({ preventScroll: true });
  const row = [...parent.children].find((child) => child.dataset.key === held);
  row?.querySelector('a, button, summary')?.focus({ preventScroll: true });
}

/** Replaces what `parent` shows, if `data` is not what it shows already. */
export function show(parent, data, ...make) {
  const print = JSON.stringify(data);
  if (parent.print === print) return;
  parent.print = print;
  parent.replaceChildren(...make.flatMap((make) => make()).filter(Boolean));
}

const STATES = {
  CREATED: ['waiting', 'Waiting'], ACTIVE: ['waiting', 'On its way'], RETRY: ['retrying', 'Retrying'],
  ERROR: ['retrying', 'Retrying'], DELIVERED: ['delivered', 'Delivered'], FAILED: ['failed', 'Failed'],
  CANCEL_REQUESTED: ['canceled', 'Canceled'], CANCELED: ['canceled', 'Canceled'],
  PAUSED: ['canceled', 'Paused'], RUNNING: ['delivered', 'Active'],
};

export function badge(state) {
  const [kind, text] = STATES[state] ?? ['canceled', state];
  return h('span', { class: `badge ${kind}` }, text);
}

/** A button whose deed runs once at a time; `sure` is what it asks before, if anything. */
export function button(text, deed, { kind = '', sure = null, label = null } = {}) {
  let asked = sure === null;
  const element = h('button', { type: 'button', class: kind, 'aria-label': label }, text);
  const calm = () => {
    asked = sure === null;
    element.textContent = text;
    element.classList.remove('asking');
    if (label) element.setAttribute('aria-label', label);
  };
  element.addEventListener('click', async () => {
    if (!asked) {
      asked = true;
      element.textContent = sure;
      element.removeAttribute('aria-label');
      element.classList.add('asking');
      return;
    }
    element.disabled = true;
    try {
      await deed();
    } catch (error) {
      tell(error.message, true);
    } finally {
      element.disabled = false;
      calm();
    }
  });
  element.addEventListener('blur', calm);
  return element;
}

let quiet;
/** Says in passing what was done, or why not. */
export function tell(text, bad = false) {
  const told = document.getElementById('told');
  told.textContent = text;
  told.className = bad ? 'told bad' : 'told good';
  clearTimeout(quiet);
  quiet = setTimeout(() => told.classList.remove('good', 'bad'), bad ? 8_000 : 4_000);
}

/** What is said where there is nothing to list. */
export const state = (title, ...more) => h('div', { class: 'state' }, h('h2', {}, title), ...more);

export const waiting = (rows = 6) =>
  h('ul', { class: 'rows loading', 'aria-label': 'Loading', 'aria-busy': 'true' },
    Array.from({ length: rows }, () => h('li', {}, h('span', { class: 'bone short' }), h('span', { class: 'bone' }))));

/** Pairs of a term and what it is; those without are left out. */
export const facts = (pairs) =>
  h('dl', { class: 'facts' },
    pairs.filter(([, value]) => value !== null && value !== undefined && value !== '')
      .map(([term, value]) => h('div', {}, h('dt', {}, term), h('dd', {}, value))));

export const block = (text, label) => h('pre', { tabindex: '0', 'aria-label': label, role: 'region' }, text);

/** Headers as the API has them: a list of values each. */
export const headers = (title, given) => {
  const lines = Object.entries(given ?? {}).flatMap(([name, values]) => values.map((value) => `${name}: ${value}`));
  return lines.length ? h('details', {}, h('summary', {}, title), block(lines.join('\n'), title)) : null;
};

export const pager = (older, newest) =>
  older || newest
    ? h('nav', { class: 'pager', 'aria-label': 'Pages' },
        newest ? h('a', { href: newest }, '← Newest') : h('span'), older ? h('a', { href: older }, 'Older →') : null)
    : null;

export { moment };
