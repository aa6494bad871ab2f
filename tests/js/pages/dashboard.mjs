// What the operator's page shows, against the whole system.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plays, visit } from '../browser.mjs';
import { admin, browser, completed, enqueue, failed, goto, look, row, SECRET, SERVICE, settled, shows, STAND_INS } from './dashboard_stage.mjs';

const HOSTILE = ['<img src=x onerror="globalThis.owned=1">', '"><script>globalThis.owned=1</script>', 'javascript:globalThis.owned=1'];

test('the secret is asked for once, never put into an address, and forgotten on leaving', async () => {
  const { page, context, sound } = await visit(browser, SERVICE);
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  const field = page.getByLabel('WORKER_SECRET');
  await field.fill('not it');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').getByText(/not the service’s/).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'secret');
  await field.fill(SECRET);
  await page.keyboard.press('Enter');
  await page.getByRole('navigation', { name: 'Parts' }).waitFor();
  await page.reload();
  await page.getByRole('navigation', { name: 'Parts' }).waitFor();
  assert.ok(asked.every((url) => !url.includes(SECRET)), `${asked}`);
  assert.ok(!(await page.content()).includes(SECRET));
  assert.equal(await page.evaluate(() => localStorage.length), 0);
  await page.getByRole('button', { name: 'Log out' }).click();
  await field.waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length + localStorage.length), 0);
  // `dev` makes it easy.
  await page.getByLabel('Remember on this device').check();
  await page.getByRole('button', { name: 'Use its published secret' }).click();
  await page.getByRole('navigation', { name: 'Parts' }).waitFor();
  assert.equal(await page.evaluate(() => localStorage.length), 1);
  sound();
  await context.close();
});

test('a job shows up by itself, moves, and is found by what it is', async () => {
  const { page, context, sound } = await look('#/jobs');
  await settled(page);
  const id = await completed('list-done');
  await row(page, id).getByText('Completed').waitFor();
  const bad = await failed('list-failed');
  await row(page, bad).getByText('Failed', { exact: true }).waitFor();
  await row(page, bad).getByText('klap_task_failed').waitFor();
  for (const [query, one, none] of [['list-done', id, bad], ['klap_task', bad, id], [id, id, bad]]) {
    await page.keyboard.press('/');
    await page.keyboard.type(query);
    await row(page, none).waitFor({ state: 'detached' });
    await row(page, one).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), 'search', 'what is typed goes on');
    await page.getByRole('searchbox').fill('');
    await row(page, none).waitFor();
    await page.keyboard.press('Escape');
  }
  await page.getByRole('navigation', { name: 'Statuses' }).getByRole('link', { name: 'Failed' }).click();
  await row(page, id).waitFor({ state: 'detached' });
  assert.match(page.url(), /#\/jobs\?status=failed$/);
  await page.getByText('More filters').click();
  await page.getByLabel('Project', { exact: true }).fill('list-failed');
  await page.waitForURL(/project=list-failed/);
  await row(page, bad).waitFor();
  await page.reload();
  await row(page, bad).waitFor();
  assert.equal(await page.getByLabel('Project', { exact: true }).inputValue(), 'list-failed');
  await page.getByLabel('Project', { exact: true }).fill('nobody-s');
  await shows(page, /No job is like this|Nothing like this/);
  sound();
  await context.close();
});

test('one job: every step with its times, the clips play, and what it cost is told', async () => {
  const id = await completed('one-job', 2);
  const { page, context, sound } = await look(`#/jobs/${id}`);
  await page.getByRole('heading', { name: 'one-job' }).waitFor();
  for (const step of ['Submit to Klap', 'Klap finds clips', 'List the clips', 'Pay for exports', 'Store the clips', 'Update the project']) {
    await page.locator('.step').getByText(step).waitFor();
  }
  await page.locator('.step').getByText('Submit to Klap').click();
  await page.getByText('Attempt 1').first().waitFor();
  await page.locator('.deeds').getByText('Paid:').first().waitFor();
  await shows(page, /signed with the current key/);
  const { cost } = await admin('GET', `jobs/${id}`);
  await page.locator('.facts').getByText(`${cost.klapCalls} paid calls`).waitFor();
  assert.ok(cost.messages > 0 && cost.redisCommands > 0, JSON.stringify(cost));
  assert.equal(await page.locator('.clip video').count(), 2);
  for (const video of await page.locator('.clip video').all()) await plays(video);
  // What a reader opened stays open, and the players go on, while the page is kept right.
  const before = await page.evaluateHandle(() => document.querySelector('.clip video'));
  await page.waitForResponse((answer) => answer.url().includes(id));
  assert.ok(await page.evaluate((video) => video.isConnected && document.querySelector('.story details').open, before));
  sound();
  await context.close();
});

test('the keyboard alone leads to a job, to a decision and back', async () => {
  const id = await completed('by-keys');
  const { page, context, sound } = await look('#/jobs?project=by-keys');
  await row(page, id).waitFor();
  await page.keyboard.press('/');
  await page.keyboard.press('ArrowDown');
  assert.ok(await row(page, id).evaluate((line) => line.contains(document.activeElement)));
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Timeline' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('searchbox').waitFor();
  await page.keyboard.press('Tab');
  const seen = await page.evaluate(() => {
    const { outlineStyle, boxShadow } = getComputedStyle(document.activeElement);
    return [document.activeElement.tagName, outlineStyle !== 'none' || boxShadow !== 'none'];
  });
  assert.deepEqual(seen, ['INPUT', true], 'the focus is seen');
  sound();
  await context.close();
});

test('what strangers write stays text', async () => {
  const { page, context, sound } = await look('#/', {
    before: (page) => page.route('**/api/admin/jobs*', async (route) => {
      const answer = await route.fetch();
      const body = await answer.json();
      body.jobs = [0, 1, 2].map((at) => ({ jobId: `job_${at}`, projectId: HOSTILE[at], owner: HOSTILE[at], status: 'failed', stage: HOSTILE[at], step: HOSTILE[at], error: HOSTILE[at],
        errorDetail: { code: HOSTILE[at], message: HOSTILE[at] }, attempts: 1, progress: 1, createdAt: new Date().toISOString(), deadline: new Date().toISOString() }));
      body.nextCursor = null;
      return route.fulfill({ response: answer, json: body });
    }),
  });
  for (const hash of ['#/', '#/jobs', `#/jobs/${encodeURIComponent(HOSTILE[0])}`, `#/jobs?q=${encodeURIComponent(HOSTILE[1])}`]) {
    await goto(page, hash);
    assert.deepEqual(await page.evaluate(() => [globalThis.owned, document.querySelectorAll('main :is(img, script, iframe)').length]), [undefined, 0]);
  }
  sound();
  const stopped = await page.evaluate(() => {
    try {
      document.body.innerHTML = '<img src=x onerror="globalThis.owned=1">';
      return false;
    } catch (error) {
      return error instanceof TypeError;
    }
  });
  assert.ok(stopped, 'markup from a text is refused');
  await context.close();
});

test('one job can be looked at without the operator’s secret', async () => {
  const id = await enqueue('an-owners');
  const { page, context, sound } = await visit(browser, SERVICE, { path: `/?jobId=${id}`, others: [STAND_INS] });
  await page.getByRole('heading', { name: 'an-owners' }).waitFor();
  await page.getByLabel('Job or project').fill('nobody-s');
  await page.getByRole('button', { name: 'Watch' }).click();
  await page.getByRole('alert').getByText(/No such job/).waitFor();
  await page.getByLabel('Job or project').fill('an-owners');
  await page.getByRole('button', { name: 'Watch' }).click();
  await page.getByRole('heading', { name: 'an-owners' }).waitFor();
  assert.match(page.url(), /#\/look\?projectId=an-owners$/);
  sound();
  await context.close();
});
