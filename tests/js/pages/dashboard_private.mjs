// With a private bucket: an operator and the job's owner see its clips play, each by the own key; nobody has the address without.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plays } from '../browser.mjs';
import { admin, completed, look, SERVICE } from './dashboard_stage.mjs';

const KEY = 'ann-s-key-of-enough-letters';

test('its clips play for an operator, and for their owner', async () => {
  const id = await completed('kept-private', 1, KEY);
  const { job } = await admin('GET', `jobs/${id}`);
  assert.match(job.clips[0].url, /^\/api\/clips\//);
  assert.equal((await fetch(`${SERVICE}${job.clips[0].url}`, { redirect: 'manual' })).status, 401);
  const { page, context, sound } = await look(`#/jobs/${id}`);
  await page.locator('.clip video').waitFor();
  await plays(page.locator('.clip video'));
  await page.goto(`${SERVICE}/#/look?jobId=${id}`);
  await page.getByLabel('API key').fill(KEY);
  await page.getByRole('button', { name: 'Watch' }).click();
  await page.locator('.clip video').waitFor();
  await plays(page.locator('.clip video'));
  sound();
  await context.close();
});
