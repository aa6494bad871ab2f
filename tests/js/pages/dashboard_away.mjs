// The service is killed while the page is looked at, and comes back. Whoever runs this kills it when the file AWAY appears, and
// starts it again when BACK does.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { completed, look, row } from './dashboard_stage.mjs';

const { AWAY, BACK } = process.env;

test('a service that is killed is said to be away, and is there again by itself', async () => {
  const id = await completed('outlives');
  const { page, context } = await look('#/jobs');
  await row(page, id).waitFor();
  writeFileSync(AWAY, '');
  await page.getByRole('alert').getByText(/cannot be reached/).waitFor();
  assert.ok(await row(page, id).isVisible(), 'what was shown stays');
  writeFileSync(BACK, '');
  await page.getByRole('alert').waitFor({ state: 'hidden', timeout: 60_000 });
  await row(page, id).click();
  await page.getByRole('heading', { name: 'Timeline' }).waitFor();
  await context.close();
});
