// Asks for the operator's secret, once. `dev` uses a published one, which is offered where it may be it.

import { ask, use } from './ask.js';
import { h } from './elements.js';
import { icon } from './icons.js';

const DEV_SECRET = 'cliprelay-dev';
const ON_THIS_MACHINE = ['127.0.0.1', 'localhost', '[::1]'];

export function door(why, enter) {
  const input = h('input', {
    type: 'password', id: 'secret', name: 'secret', autocomplete: 'current-password', required: true, spellcheck: 'false',
    'aria-describedby': 'why',
  });
  const remember = h('input', { type: 'checkbox', id: 'remember', name: 'remember' });
  const said = h('p', { id: 'why', class: 'error', role: 'alert' }, why);
  const submit = h('button', { class: 'main' }, 'Log in');

  async function attempt(event) {
    event.preventDefault();
    const secret = input.value.trim();
    if (!secret || submit.getAttribute('aria-disabled') === 'true') return;
    submit.setAttribute('aria-disabled', 'true');
    said.textContent = '';
    try {
      await ask('GET', '/api/admin/audit', { query: { limit: 1 }, bearer: secret });
    } catch (error) {
      // Away is not wrong: the parts themselves say so, and try again.
      if (error.status === 401 || error.status === 403) return refused();
      if (error.status === 0) return refused(error.message);
    } finally {
      submit.removeAttribute('aria-disabled');
    }
    use(secret, remember.checked);
    enter();
  }

  function refused(reason = 'This secret is not the service’s. It is the WORKER_SECRET (or CRON_SECRET) that the service was started with.') {
    said.textContent = reason;
    input.setAttribute('aria-invalid', 'true');
    input.select();
    input.focus();
  }

  const local = ON_THIS_MACHINE.includes(location.hostname)
    ? h('p', { class: 'hint' }, 'Started with ', h('code', {}, 'cliprelay dev'), '? ',
        h('button', { type: 'button', class: 'link', click: () => { input.value = DEV_SECRET; submit.click(); } }, 'Use its published secret'))
    : null;

  return h('section', { class: 'door' },
    h('form', { submit: attempt, 'aria-labelledby': 'door-title' },
      icon('key'),
      h('h1', { id: 'door-title' }, 'Operator’s log-in'),
      h('p', { class: 'muted' }, 'Jobs, dead letters and what is done about them are for whoever runs this service.'),
      h('label', { for: 'secret' }, 'WORKER_SECRET'), input,
      said,
      h('label', { class: 'check' }, remember, 'Remember on this device'),
      submit,
      local),
    h('p', { class: 'muted' }, 'Not the operator? ', h('a', { href: '#/look' }, 'Look at one job'), ' with an API key.'));
}
