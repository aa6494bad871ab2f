// The operator's page with nothing on it, with very much, unseen, and with something wrong.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, fits } from '../browser.mjs';
import { failed, goto, look, picture, row, settled, shows } from './dashboard_stage.mjs';

test('with nothing on it, it says what to do', async () => {
  const { page, context, sound } = await look('#/jobs');
  await shows(page, 'No job yet');
  await goto(page, '#/letters');
  await shows(page, 'No dead letters');
  await goto(page, '#/jobs/job_none');
  await shows(page, 'No such job');
  await goto(page, '#/');
  await shows(page, 'Nothing needs you.');
  await accessible(page);
  sound();
  await context.close();
});

/** Ten thousand jobs as the service would answer them, the newest first. */
function many(url) {
  const [from, limit] = [Number(url.searchParams.get('cursor') ?? 0), Number(url.searchParams.get('limit') ?? 50)];
  const start = Date.parse('2026-01-01T00:00:00Z');
  const jobs = Array.from({ length: Math.min(limit, 10_000 - from) }, (_, index) => {
    const at = from + index;
    const time = new Date(start - at * 1_000).toISOString();
    return { jobId: `job_${at}`, projectId: `project-${at}`, owner: 'many', status: at % 9 ? 'completed' : 'processing', stage: 'Done', step: 'finalize', progress: 100, attempts: 0, error: null,
      errorDetail: null, clipsStored: 4, clipsFailed: 0, clipsTotal: 4, possibleDuplicateCharge: 0, createdAt: time, startedAt: time, completedAt: time, deadline: '2099-01-01T00:00:00Z' };
  });
  return { success: true, jobs, nextCursor: from + limit < 10_000 ? String(from + limit) : null };
}

test('ten thousand jobs are pages, each job is there once, and what was loaded stays', async () => {
  const { page, context, sound } = await look('#/jobs', {
    before: (page) => page.route('**/api/admin/jobs?*', (route) => route.fulfill({ json: many(new URL(route.request().url())) })),
  });
  await shows(page, '50 jobs so far');
  await accessible(page);
  for (let pages = 1; pages <= 4; pages += 1) {
    await shows(page, `${50 * pages} jobs so far`);
    const ids = await page.locator('tr[data-key]').evaluateAll((rows) => rows.map((row) => row.dataset.key));
    assert.deepEqual(ids, Array.from({ length: 50 * pages }, (_, at) => `job_${at}`));
    if (pages < 4) await page.getByRole('button', { name: 'Load more' }).click();
  }
  assert.ok(await row(page, 'job_150').evaluate((line) => line.contains(document.activeElement)), 'the focus is where the new ones begin');
  // The list is read anew, and nothing that has not changed is touched.
  const first = await page.evaluateHandle(() => document.querySelector('tr[data-key=job_4]'));
  await page.waitForResponse((answer) => answer.url().includes('/api/admin/jobs?'));
  await page.waitForResponse((answer) => answer.url().includes('/api/admin/jobs?'));
  assert.ok(await first.evaluate((line) => line.isConnected));
  assert.equal(await page.locator('tr[data-key]').count(), 200);
  await fits(page);
  sound();
  await context.close();
});

test('what is wrong with the service is said, and what was shown stays', async () => {
  await failed('kept');
  const { page, context } = await look('#/jobs');
  await page.locator('tr[data-key]').first().waitFor();
  const problem = (status, body, headers = {}) => (route) => route.fulfill({ status, headers, json: body });
  await page.route('**/api/admin/**', problem(503, { detail: 'The store cannot be reached', code: 'store_unavailable' }, { 'retry-after': '1' }));
  await page.getByRole('alert').getByText(/The store cannot be reached/).waitFor();
  assert.ok(await page.locator('tr[data-key]').count() > 0);
  await accessible(page);
  await picture(page, 'away');
  await page.unrouteAll();
  await page.getByRole('alert').waitFor({ state: 'hidden' });
  await page.route('**/api/admin/**', problem(503, { detail: 'The store cannot be reached' }));
  await page.reload();
  await shows(page, 'This could not be loaded');
  await page.unrouteAll();
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.locator('tr[data-key]').first().waitFor();
  await page.route('**/api/admin/**', problem(401, { detail: 'Unauthorized' }));
  await page.getByRole('alert').getByText(/not any more/).waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await context.close();
});

test('nothing is asked while nobody looks', async () => {
  const { page, context } = await look('#/jobs');
  await settled(page);
  const hide = (hidden) => page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  await hide(true);
  await page.clock.install();
  // Whatever was under way or planned ends here.
  await page.clock.fastForward('01:00');
  await page.evaluate(() => new Promise((go) => requestAnimationFrame(() => go())));
  let asked = 0;
  page.on('request', () => { asked += 1; });
  await page.clock.fastForward('10:00');
  assert.equal(asked, 0);
  const again = page.waitForRequest((request) => request.url().includes('/api/admin/jobs'));
  await hide(false);
  await again;
  await context.close();
});

test('a timeline is told as a story', async () => {
  const { page, context, sound } = await look('#/jobs');
  const at = (second) => new Date(Date.parse('2026-01-01T00:00:00Z') + 1_000 * second).toISOString();
  const entries = [
    { at: at(0), what: 'accepted', epoch: 1, seq: 0, by: 'owner' },
    { at: at(1), what: 'claimed', step: 'submit', epoch: 1, seq: 0, attempt: 1 },
    { at: at(2), what: 'intended', step: 'submit', epoch: 1, seq: 0, effect: 'submit:1' },
    { at: at(40), what: 'claimed', step: 'submit', epoch: 1, seq: 0, attempt: 2 },
    { at: at(41), what: 'paid', step: 'submit', epoch: 1, seq: 0, effect: 'submit:1', receipt: 'task_1' },
    { at: at(42), what: 'ended', step: 'submit', epoch: 1, seq: 0, outcome: 'next', durationMs: 2_000 },
    ...[1, 2, 3].flatMap((look) => [
      { at: at(50 * look), what: 'published', step: 'await_task', epoch: 1, seq: look, messageId: `msg_${look}` },
      { at: at(50 * look + 10), what: 'claimed', step: 'await_task', epoch: 1, seq: look, attempt: 1 },
      { at: at(50 * look + 11), what: 'ended', step: 'await_task', epoch: 1, seq: look, outcome: 'wait', after: 10, durationMs: 1_000 },
    ]),
    { at: at(300), what: 'failed', step: 'await_task', epoch: 1, seq: 3, error: { code: 'job_timeout', message: 'late' } },
    { at: at(400), what: 'retried', step: 'await_task', epoch: 2, seq: 0, by: 'operator' },
    { at: at(401), what: 'claimed', step: 'await_task', epoch: 2, seq: 0, attempt: 1 },
  ];
  const told = await page.evaluate(async (entries) => {
    const { story } = await import('/dashboard/story.js');
    return story(entries).map(({ epoch, parts }) => ({ epoch, parts: parts.map(({ kind, what, step, lines, attempts, running }) => (kind === 'turn' ? what
      : { step, running, lost: attempts.filter(({ lost }) => lost).length, lines: lines.map(({ kind, count, number }) => [kind, count ?? number ?? null]) })) }));
  }, entries);
  assert.deepEqual(told, [
    { epoch: 1, parts: ['accepted',
      { step: 'submit', running: false, lost: 1, lines: [['attempt', 1], ['attempt', 2]] },
      { step: 'await_task', running: false, lost: 0, lines: [['published', null], ['looks', 3]] },
      'failed'] },
    { epoch: 2, parts: ['retried', { step: 'await_task', running: true, lost: 0, lines: [['attempt', 1]] }] },
  ]);
  sound();
  await context.close();
});
