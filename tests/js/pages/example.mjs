// The example page as its users meet it: hand in, watch, play, cancel, try again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, plays } from '../browser.mjs';
import { ask, control, open, QUICK, stands } from './example_stage.mjs';

test('a video is handed in, watched, and its clips play', async () => {
  const { page, context, sound } = await open();
  await page.evaluate(() => {
    globalThis.progress = [];
    const bar = document.getElementById('bar');
    new MutationObserver(() => globalThis.progress.push(bar.value)).observe(bar, { attributes: true, childList: true });
  });
  await ask(page, 'example');
  await stands(page, 'completed');
  assert.equal(await page.locator('#clips video').count(), 2);
  const progress = await page.evaluate(() => globalThis.progress);
  assert.ok(progress.length > 2 && progress.at(-1) === 100, `${progress}`);
  assert.deepEqual(progress, progress.toSorted((a, b) => a - b), 'it runs backwards');
  for (const video of await page.locator('#clips video').all()) await plays(video);
  // What was followed is followed again after a reload, from the tab's memory.
  await page.reload();
  await stands(page, 'completed');
  await accessible(page);
  await sound();
  await context.close();
});

test('a running job is cancelled', async () => {
  await control('PUT', 'pace', { ...QUICK, task: { seconds: 600 } });
  const { page, context, sound } = await open();
  await ask(page, 'example-cancelled');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await stands(page, 'cancelled');
  assert.ok(await page.getByRole('button', { name: 'Cancel' }).isHidden());
  await control('PUT', 'pace', QUICK);
  await sound();
  await context.close();
});

test('a failed job says why, and is tried again', async () => {
  await control('POST', 'faults', { operation: 'create_task', effect: { fail: { code: 'internal', message: 'of all things' } } });
  const { page, context, sound } = await open();
  await ask(page, 'example-failing', 1);
  await stands(page, 'failed');
  assert.notEqual(await page.locator('#error').textContent(), '');
  await page.getByRole('button', { name: 'Try again' }).click();
  await stands(page, 'completed');
  assert.equal(await page.locator('#clips video').count(), 1);
  assert.equal(await page.locator('#error').textContent(), '');
  await sound();
  await context.close();
});
