// What the list of jobs is narrowed by. All of it is in the address, so that a view can be sent to somebody.

import { h } from './elements.js';
import { icon } from './icons.js';
import { STATUSES } from './words.js';

const NAMES = ['status', 'q', 'owner', 'project', 'since'];
const SINCE = [['', 'Any time'], ['3600', 'Last hour'], ['86400', 'Last day'], ['604800', 'Last week']];
const TYPING_MS = 300;

export const read = (query) => Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? '']));

export const isEmpty = (filters) => NAMES.every((name) => !filters[name]);

export function address(filters) {
  const given = NAMES.filter((name) => filters[name]).map((name) => [name, filters[name]]);
  return given.length ? `#/jobs?${new URLSearchParams(given)}` : '#/jobs';
}

export function toolbar(first, apply) {
  let filters = first;
  let typing;
  const change = (more) => apply({ ...filters, ...more });
  const soon = (more) => {
    clearTimeout(typing);
    typing = setTimeout(() => change(more()), TYPING_MS);
  };
  const written = (name, attributes) => {
    const input = h('input', { name, autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off', ...attributes });
    input.addEventListener('input', () => soon(() => ({ [name]: input.value.trim() })));
    return input;
  };
  const search = written('q', { type: 'search', id: 'search', 'aria-label': 'Search by job, project, owner or error', placeholder: 'Job, project, owner or error' });
  const owner = written('owner', { type: 'text', id: 'owner', placeholder: 'any' });
  const project = written('project', { type: 'text', id: 'project', placeholder: 'any' });
  const since = h('select', { name: 'since', id: 'since' });
  since.addEventListener('change', () => change({ since: since.value }));
  const chips = h('nav', { class: 'chips', 'aria-label': 'Statuses' });
  const narrow = h('details', { class: 'narrow' }, h('summary', {}, 'More filters'),
    h('div', { class: 'fields' },
      h('label', {}, 'Owner ', owner), h('label', {}, 'Project ', project), h('label', {}, 'Since ', since)));
  const submit = (event) => {
    event.preventDefault();
    clearTimeout(typing);
    change({ q: search.value.trim(), owner: owner.value.trim(), project: project.value.trim() });
  };

  function set(given) {
    filters = given;
    for (const [input, name] of [[search, 'q'], [owner, 'owner'], [project, 'project']]) {
      if (input !== document.activeElement && input.value !== given[name]) input.value = given[name];
    }
    const choices = SINCE.some(([value]) => value === given.since) ? SINCE : [...SINCE, [given.since, given.since]];
    since.replaceChildren(...choices.map(([value, words]) => h('option', { value, selected: value === given.since }, words)));
    if (given.owner || given.project || given.since) narrow.open = true;
    const focused = document.activeElement?.dataset?.status;
    chips.replaceChildren(...[['', 'All'], ...Object.entries(STATUSES)].map(([value, words]) =>
      h('a', { href: address({ ...given, status: value }), class: `chip ${value}`, 'data-status': value || 'all', 'aria-current': given.status === value ? 'true' : null },
        value ? icon(value) : null, words)));
    if (focused) chips.querySelector(`[data-status="${focused}"]`)?.focus();
  }
  set(first);
  const root = h('div', { class: 'toolbar' },
    h('form', { role: 'search', submit }, h('div', { class: 'search' }, icon('search'), search), narrow), chips);
  return { root, set };
}
