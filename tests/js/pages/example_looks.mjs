// The example page in trouble, and how it looks: wrong input, no stream, no service; themes, a phone, axe.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, DESK, fits, PHONE, THEMES, visit } from '../browser.mjs';
import { ask, browser, open, PAGE, stands } from './example_stage.mjs';

test('what is wrong is said where it is wrong', async () => {
  const { page, context, sound } = await open();
  await page.getByLabel('Project').fill('no spaces, please');
  await page.getByLabel('How many clips').fill('100000');
  await page.getByRole('button', { name: 'Make clips' }).click();
  await page.locator('[name=targetClipCount][aria-invalid=true]').waitFor();
  for (const field of ['projectId', 'targetClipCount']) assert.notEqual(await page.locator(`#wrong-${field}`).textContent(), '');
  assert.equal(await page.evaluate(() => document.activeElement.name), 'projectId');
  await accessible(page);
  await sound();
  await context.close();
});

test('a stream that is refused is made up for by looking', async () => {
  const { page, context } = await open();
  await page.route('**/api/process-klap/events**', (route) =>
    route.fulfill({ status: 503, headers: { 'access-control-allow-origin': '*' }, body: '{}' }));
  await ask(page, 'example-polled', 1);
  await stands(page, 'completed');
  assert.equal(await page.locator('#clips video').count(), 1);
  await context.close();
});

test('a service that is away is told', async () => {
  const { page, context } = await visit(browser, PAGE, { path: '/?service=http://127.0.0.1:9' });
  await ask(page, 'example');
  await page.getByText('The service cannot be reached.').waitFor();
  assert.ok(await page.getByLabel('Its address').isVisible());
  await context.close();
});

test('it fits and is for everybody, in both themes and on a phone', async () => {
  let job;
  for (const theme of THEMES) {
    for (const viewport of [DESK, PHONE]) {
      const { page, context, sound } = await open({ theme, viewport });
      if (job) {
        await page.evaluate((id) => sessionStorage.setItem('clips.job', id), job);
        await page.reload();
      } else {
        await ask(page, 'example-looks');
      }
      await stands(page, 'completed');
      job = await page.locator('#job').getAttribute('data-id');
      await fits(page);
      await accessible(page);
      if (process.env.LOOKS) await page.screenshot({ path: `${process.env.LOOKS}/${theme}-${viewport.width}.png`, fullPage: true });
      await sound();
      await context.close();
    }
  }
});
