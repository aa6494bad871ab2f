// Which of our two signing keys the last pushes came with, what that means for rolling them, and what to do.

import { h } from './elements.js';
import { icon } from './icons.js';
import { moment } from './times.js';

const VERDICTS = {
  safe: ['completed', 'good', 'Safe to roll', 'Both of our keys are QStash’s. Roll once in its console (or POST /v2/keys/rotate): pushes then come with the next key, which we have. Afterwards put the new pair into the environment and redeploy before you roll again.'],
  would_lock_out: ['warning', 'warn', 'Rolling now would lock you out', 'The keys were rolled, and we still have the pair from before: our next key is QStash’s current one. Put QStash’s two keys into QSTASH_CURRENT_SIGNING_KEY and QSTASH_NEXT_SIGNING_KEY and redeploy. Do not roll until then.'],
  locked_out: ['failed', 'bad', 'Locked out', 'Neither of our keys is QStash’s: every push is answered 401 and goes to the dead letters. Put QStash’s two keys into QSTASH_CURRENT_SIGNING_KEY and QSTASH_NEXT_SIGNING_KEY and redeploy; the sweep then takes the dead letters up again.'],
  unknown: ['queued', 'calm', 'Not known', 'QStash could not be asked for its keys. Do not roll them until this says that it is safe.'],
};

export function signing({ verdict, detail, recent = [] }) {
  const [mark, kind, title, advice] = VERDICTS[verdict] ?? VERDICTS.unknown;
  const tally = ['current', 'next'].map((key) => [key, recent.filter(({ signedWith }) => signedWith === key).length]).filter(([, times]) => times);
  return [
    h('h2', { id: 'signing' }, 'Signing keys'),
    h('div', { class: `sheet padded verdict ${kind}` },
      h('p', { class: 'headline' }, icon(mark), title),
      h('p', { class: 'muted' }, detail || advice),
      recent.length === 0 ? h('p', { class: 'muted' }, 'No push has come yet.') : h('details', { 'data-of': 'signing' },
        h('summary', {}, `The last ${recent.length} pushes: `, tally.map(([key, times]) => `${times} with the ${key} key`).join(', ')),
        h('ul', { class: 'recent' }, recent.map(({ at, jobId, signedWith }) =>
          h('li', {}, h('span', { class: `key ${signedWith}` }, signedWith), jobId ? h('a', { href: `#/jobs/${encodeURIComponent(jobId)}` }, h('code', {}, jobId)) : null, moment(at)))))),
  ];
}
