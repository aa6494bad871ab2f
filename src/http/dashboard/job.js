// One job: how it stands, what happened to it and when, its clips, what it cost, and what may be done with it.

import { find, post, secret } from './ask.js';
import { cards } from './clips.js';
import { confirm } from './dialog.js';
import { block, bones, button, facts, h, id as named, patch, show, state, tell } from './elements.js';
import { icon } from './icons.js';
import { timeline } from './timeline.js';
import { between, both, since } from './times.js';
import { bytes, count, help, isLive, status, step, usd } from './words.js';

const PACE_MS = { live: 1_500, still: 10_000 };

export function open({ id, beat }) {
  const card = cards(secret);
  const path = `/api/admin/jobs/${encodeURIComponent(id)}`;
  const head = h('div', {}, bones(3));
  const told = h('div');
  const side = h('div', { class: 'side' });
  const clips = h('div');
  const root = h('section', { class: 'job' },
    h('p', { class: 'back' }, h('a', { href: '#/jobs', 'data-back': true }, '← Jobs')),
    head, h('div', { class: 'split' }, h('div', {}, told, clips), side));

  async function refresh() {
    const found = await find(path);
    if (!found) {
      show(head, 'none', () => state('search', 'No such job', h('p', {}, 'It never was, or it ended so long ago that it is forgotten.'), h('p', {}, h('code', {}, id))));
      for (const part of [told, side, clips]) show(part, 'none', () => []);
      return PACE_MS.still;
    }
    const { job, cost, timelineCut } = found;
    show(head, job, () => heading(job, actions(job)));
    show(told, [found.timeline, job.status], () => [h('h2', {}, 'Timeline'), timeline(found.timeline, job, timelineCut)]);
    show(side, [cost, job], () => aside(job, cost));
    listed(job);
    return isLive(job) ? PACE_MS.live : PACE_MS.still;
  }

  function listed({ clips: all, clipsFailed }) {
    if (all.length === 0) return show(clips, 'none', () => []);
    show(clips, 'some', () => [h('h2', {}, 'Clips'), h('ul', { class: 'clips' })]);
    clips.querySelector('h2').textContent = `Clips · ${all.filter(({ status }) => status === 'stored').length} of ${all.length} stored${clipsFailed ? `, ${clipsFailed} failed` : ''}`;
    patch(clips.querySelector('ul'), all, (clip) => clip.id, card);
  }

  function actions(job) {
    if (isLive(job)) return button('Cancel', () => cancel(job), { kind: 'bad', id: 'cancel' });
    if (job.status !== 'failed') return null;
    if (job.errorDetail?.retryable === false) return h('p', { class: 'muted' }, 'A retry cannot help.');
    return button('Retry', () => retry(job), { kind: 'main', id: 'retry' });
  }

  const cancel = (job) => confirm({
    title: 'Cancel this job?', yes: 'Cancel it', kind: 'bad filled',
    words: [`${job.projectId} stops at once and for good. Clips that are stored stay stored.`,
      'A call to Klap that is on its way may still be billed.'],
    deed: async () => {
      await post(`${path}/cancel`);
      tell('Cancelled.');
      beat();
    },
  });

  const retry = (job) => confirm({
    title: 'Retry this job?', yes: 'Retry it', no: 'Not now',
    words: [`${job.projectId} goes on from “${step(job.step)}” with new attempts and a new deadline. ${paid(job)}`, help(job.errorDetail?.code)].filter(Boolean),
    deed: async () => {
      await post(`${path}/retry`);
      tell('It goes on.');
      beat();
    },
  });
  return { root, refresh, title: 'Job' };
}

const paid = ({ paysAgain }) => (paysAgain ? `It pays for ${paysAgain}; what else is paid is used.` : 'What is paid is used, not paid again.');

function heading(job, actions) {
  const failed = job.status === 'failed';
  return [
    h('div', { class: 'title' },
      h('div', {}, h('h1', {}, job.projectId), named(job.jobId, 'Job id')),
      status(job.status),
      h('div', { class: 'actions' }, actions)),
    failed || job.status === 'completed' ? null : h('div', { class: `stage ${job.status}` },
      h('span', { class: 'gauge' }, h('progress', { max: '100', value: String(job.progress), 'aria-label': 'Progress' }), h('span', { class: 'percent' }, `${job.progress} %`)),
      h('p', {}, job.stage)),
    failed ? h('div', { class: 'cause', role: 'group', 'aria-label': 'Why it failed' }, icon('failed'),
      h('div', {}, h('p', {}, job.error ?? 'No reason was recorded.'),
        h('p', { class: 'muted' }, h('code', {}, job.errorDetail?.code ?? 'unknown'), ` in “${step(job.step)}”, attempt ${job.attempts}`),
        help(job.errorDetail?.code) ? h('p', {}, help(job.errorDetail?.code)) : null)) : null,
    isLive(job) && job.errorDetail ? h('p', { class: 'notice' }, icon('warning'), `Its last attempt failed: ${job.error} (${job.errorDetail.code})`) : null,
    facts([
      ['Owner', h('a', { href: `#/jobs?${new URLSearchParams({ owner: job.owner })}` }, job.owner)],
      ['Project', h('a', { href: `#/jobs?${new URLSearchParams({ project: job.projectId })}` }, 'its jobs')],
      ['Created', both(job.createdAt)],
      [isLive(job) ? 'Running for' : 'Took', job.startedAt && (isLive(job) ? since(job.startedAt) : job.completedAt && between(job.startedAt, job.completedAt))],
      ['Ended', both(job.completedAt)],
      ['Deadline', isLive(job) && both(job.deadline)],
      ['Next look', isLive(job) && both(job.nextUpdateAt)],
      ['Attempts of this step', isLive(job) && job.attempts],
    ], 'sheet'),
  ];
}

function aside(job, cost) {
  const { input, message = {} } = job;
  return [
    h('h2', {}, 'Cost'),
    facts([
      ['Klap', cost.klapCalls === null ? null : `${count(cost.klapCalls, 'paid call')} · ${usd(cost.klapUsd) ?? 'price unknown'}`],
      ['Maybe paid twice', cost.possibleDuplicateCharge ? h('span', { class: 'warn' }, count(cost.possibleDuplicateCharge, 'call')) : null],
      ['QStash messages', number(cost.messages)],
      ['Redis', `${number(cost.redisCommands) ?? '–'} commands in ${number(cost.storeRoundTrips) ?? '–'} round trips`],
      ['Stored', bytes(cost.bytesStored)],
    ], 'sheet list'),
    h('h2', {}, 'Message'),
    facts([
      ['Position', `epoch ${job.epoch}, sequence ${job.seq}${job.send > 1 ? `, made ${job.send} times` : ''}`],
      ['Message id', named(message.messageId ?? job.messageId, 'Message id')],
      ['State', message.spent ? 'redeliveries used up' : message.sent === undefined ? null : message.sent ? 'published' : 'recorded, not published yet'],
      ['Due', isLive(job) && both(message.notBefore)],
      ['Looked for by the sweep', message.looks ? count(message.looks, 'time') : null],
      ['Looked for next', isLive(job) && both(message.lookAt)],
      ['Dead letter', named(message.dlqId ?? job.dlqId, 'Dead letter’s id')],
    ], 'sheet list'),
    h('h2', {}, 'Input'),
    block(JSON.stringify(input, null, 2), 'Input'),
  ];
}

const number = (value) => (value === null || value === undefined ? null : value.toLocaleString());
