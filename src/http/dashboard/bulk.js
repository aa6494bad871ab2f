// Replays or drops letters: first says what each would come to, which changes nothing, then does it when told to, and says what
// came of each. The service takes so many at once; more are handed in one lot after the other.

import { post } from './ask.js';
import { dialog } from './dialog.js';
import { badge, bones, button, h } from './elements.js';
import { count } from './words.js';

const LOT = 50;
const OUTCOMES = {
  replayed: ['completed', 'completed', 'Replayed'], dropped: ['completed', 'completed', 'Dropped'], wouldReplay: ['processing', 'again', 'Would be replayed'],
  wouldDrop: ['cancelled', 'cancelled', 'Would be dropped'], skipped: ['cancelled', 'cancelled', 'Left alone'], failed: ['failed', 'failed', 'Failed'],
};
const TITLES = { replay: 'Replay', drop: 'Drop' };
const WORDS = {
  replay: 'Each goes on from its failed step as a new run, with a new message. What is paid is used, unless Klap’s work came to nothing.',
  drop: 'Each entry is taken out of QStash, and a failed job’s record is deleted with it. This cannot be undone.',
};

/** Opens the dialog; the ids that are done with when it is closed. */
export async function replayOrDrop(deed, letters) {
  const names = new Map(letters.map(({ id, projectId, jobId }) => [id, projectId ?? jobId ?? id]));
  const done = [];
  const title = `${TITLES[deed]} ${count(letters.length, 'dead letter')}?`;
  await dialog(title, (body, foot, close) => {
    const said = h('p', { role: 'status' }, 'Asking what would come of it…');
    const results = h('div', {}, bones(Math.min(letters.length, 4)));
    body.append(h('p', { class: 'muted' }, WORDS[deed]), said, results);
    const leave = button('Keep them', async () => close());
    leave.autofocus = true;
    foot.append(leave);
    rehearse();

    async function rehearse() {
      try {
        const told = await lots(deed, [...names.keys()], true);
        const able = told.filter(({ outcome }) => outcome.startsWith('would'));
        const pay = letters.filter(({ id, paysAgain }) => deed === 'replay' && paysAgain && able.some((one) => one.id === id)).length;
        said.textContent = `A dry run says${able.length === told.length ? '' : ` ${able.length} of ${told.length}`}, and nothing is changed yet${
          pay ? `; ${count(pay, 'of them pays', 'of them pay')} Klap for new work` : ''}:`;
        list(told);
        if (able.length === 0) return leave.replaceChildren('Close');
        foot.append(button(`${TITLES[deed]} ${able.length.toLocaleString()}`, (act) => perform(act, able.map(({ id }) => id)), { kind: deed === 'drop' ? 'bad filled' : 'main', id: 'perform' }));
      } catch (error) {
        failed(error);
      }
    }

    async function perform(act, ids) {
      try {
        const told = await lots(deed, ids, false, (results) => {
          done.push(...results.filter(({ outcome }) => outcome === 'replayed' || outcome === 'dropped').map(({ id }) => id));
          if (done.length < ids.length) said.textContent = `${done.length} of ${ids.length}…`;
        });
        said.textContent = `${done.length} of ${told.length} ${deed === 'replay' ? 'replayed' : 'dropped'}.`;
        list(told);
        act.remove();
        leave.replaceChildren('Close');
        leave.focus();
      } catch (error) {
        failed(error);
      }
    }

    function list(told) {
      results.replaceChildren(h('ul', { class: 'results', tabindex: '0', 'aria-label': 'Results' }, told.map(({ id, outcome, detail }) => {
        const [kind, mark, words] = OUTCOMES[outcome] ?? ['queued', 'queued', outcome];
        return h('li', {}, badge(kind, mark, words), h('span', {}, names.get(id) ?? id), detail ? h('span', { class: 'muted' }, detail) : null);
      })));
    }

    function failed(error) {
      said.textContent = `${error.message} ${done.length ? `${done.length} were done before.` : ''}`;
      said.className = 'error';
      if (results.querySelector('.loading')) results.replaceChildren();
    }
  });
  return done;
}

/** The results of all, lot by lot; `onward` hears each lot's as they come. */
async function lots(deed, ids, dryRun, onward = () => {}) {
  const told = [];
  for (let from = 0; from < ids.length; from += LOT) {
    let left = ids.slice(from, from + LOT);
    while (left.length) {
      const { results } = await post(`/api/admin/dead-letters/${deed}`, { ids: left, dryRun });
      told.push(...results);
      onward(results);
      const answered = new Set(results.map(({ id }) => id));
      // What is not answered comes in the next lot; nothing answered is no progress.
      left = answered.size ? left.filter((id) => !answered.has(id)) : [];
    }
  }
  return told;
}
