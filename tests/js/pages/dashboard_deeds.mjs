// What is done on the operator's page, against the whole system: each deed asked about first, and each written down.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admin, failed, goto, letter, look, row, running, shows, until } from './dashboard_stage.mjs';

test('a running job is cancelled after a second thought, and the focus comes back', async () => {
  const id = await running('to-be-cancelled');
  const { page, context, sound } = await look(`#/jobs/${id}`);
  const press = page.getByRole('button', { name: 'Cancel', exact: true });
  await press.click();
  await page.getByRole('dialog', { name: 'Cancel this job?' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => document.activeElement.id), 'cancel');
  assert.equal((await admin('GET', `jobs/${id}`)).job.status, 'processing');
  await press.click();
  await page.getByRole('button', { name: 'Cancel it' }).click();
  await page.locator('.title').getByText('Cancelled').waitFor();
  await until(id, 'cancelled');
  await page.locator('.turn.cancelled').getByText('by an operator').waitFor();
  await goto(page, '#/audit');
  await page.getByRole('row').filter({ hasText: id }).getByText('Cancel', { exact: true }).waitFor();
  sound();
  await context.close();
});

test('a failed job says why, and is retried', async () => {
  const id = await failed('to-be-retried');
  const { page, context, sound } = await look(`#/jobs/${id}`);
  await page.getByRole('group', { name: 'Why it failed' }).getByText('klap_task_failed').waitFor();
  await page.getByRole('button', { name: 'Retry' }).click();
  await page.getByRole('button', { name: 'Retry it' }).click();
  await until(id, 'completed');
  await page.locator('.title').getByText('Completed').waitFor();
  await shows(page, /retried by a person/);
  await page.locator('.clip video').waitFor();
  sound();
  await context.close();
});

test('dead letters: tried dry, replayed one by one and all of a cause at once, dropped', async () => {
  const [first, second, third] = [await failed('dead-1'), await failed('dead-2'), await failed('dead-3')];
  const { page, context, sound } = await look('#/letters');
  await letter(page, first).getByRole('button', { name: 'Drop dead-1' }).click();
  await shows(page, 'Would be dropped');
  await page.getByRole('button', { name: 'Keep them' }).click();
  assert.equal((await admin('GET', `jobs/${first}`)).job.status, 'failed');
  await letter(page, first).getByRole('button', { name: 'Drop dead-1' }).click();
  await page.getByRole('button', { name: 'Drop 1' }).click();
  await shows(page, '1 of 1 dropped.');
  await page.getByRole('button', { name: 'Close' }).click();
  await letter(page, first).waitFor({ state: 'detached' });
  await page.getByLabel('Choose all of klap_task_failed').check();
  const left = await page.locator('li[data-key]').count();
  assert.ok(left >= 2);
  await shows(page, `${left} chosen`);
  await page.getByRole('button', { name: 'Replay…' }).click();
  await page.getByText('Would be replayed').nth(left - 1).waitFor();
  assert.equal((await admin('GET', `jobs/${second}`)).job.epoch, 1, 'a dry run changes nothing');
  await page.getByRole('button', { name: `Replay ${left}`, exact: true }).click();
  await shows(page, `${left} of ${left} replayed.`);
  await page.getByRole('button', { name: 'Close' }).click();
  for (const id of [second, third]) {
    await letter(page, id).waitFor({ state: 'detached' });
    assert.equal((await until(id, 'completed')).epoch, 2);
  }
  await shows(page, 'No dead letters');
  sound();
  await context.close();
});

test('the overview tells what needs somebody, and sweeps', async () => {
  const bad = await failed('over-failed');
  const id = await running('over-view');
  const { page, context, sound } = await look();
  await page.getByText(/dead letters? waits? for a decision/).waitFor();
  await row(page, id).getByText('Processing').waitFor();
  await page.getByRole('heading', { name: 'Signing keys' }).waitFor();
  await shows(page, 'Safe to roll');
  await shows(page, /with the current key/);
  await page.getByRole('button', { name: 'Sweep now' }).click();
  await page.getByRole('status').getByText(/^Swept:/).waitFor();
  await shows(page, /The last one was/);
  await page.getByRole('link', { name: 'Decide' }).click();
  await letter(page, bad).waitFor();
  await admin('POST', `jobs/${id}/cancel`);
  sound();
  await context.close();
});
