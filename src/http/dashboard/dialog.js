// Asks before something is done that cannot be undone. The browser's own dialog: it holds the focus, closes with Escape, and
// gives the focus back.

import { button, h } from './elements.js';

let names = 0;

/**
 * Opens a dialog; its promise is kept when it is closed. `fill(body, foot, close)` says what is in it, and may change that as
 * it learns more.
 */
export function dialog(title, fill) {
  const back = document.activeElement;
  const name = `dialog-${(names += 1)}`;
  const body = h('div', { class: 'body', tabindex: '-1' });
  const foot = h('div', { class: 'foot' });
  const box = h('dialog', { 'aria-labelledby': name }, h('h2', { id: name }, title), body, foot);
  return new Promise((done) => {
    box.addEventListener('close', () => {
      box.remove();
      if (back?.isConnected) back.focus({ preventScroll: true });
      else document.getElementById('main').focus({ preventScroll: true });
      done();
    });
    // A press beside it is a no.
    box.addEventListener('click', (event) => event.target === box && box.close());
    document.body.append(box);
    fill(body, foot, () => box.close());
    box.showModal();
  });
}

/** Asks for a yes; `deed` is done with the dialog open, and its failure told in it. */
export function confirm({ title, words, yes, kind = 'main', no = 'Keep it', deed }) {
  return dialog(title, (body, foot, close) => {
    const said = h('p', { class: 'error', role: 'alert' });
    body.append(...words.map((word) => h('p', {}, word)), said);
    const act = button(yes, async () => {
      said.textContent = '';
      try {
        await deed();
        close();
      } catch (error) {
        said.textContent = error.message;
      }
    }, { kind });
    const leave = button(no, async () => close());
    leave.autofocus = true;
    foot.append(leave, act);
  });
}
