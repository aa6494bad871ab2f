// How the broker's page looks: to whom, on what, and with how much on it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, DESK, fits, PHONE, THEMES } from '../browser.mjs';
import { at, call, dead, goto, look } from './stage.mjs';

test('ten thousand messages are pages', async () => {
  const item = { destination: `${at}/many`, headers: { 'upstash-delay': '1d', 'upstash-label': 'many' } };
  const items = JSON.stringify(Array.from({ length: 500 }, () => ({ destination: item.destination, headers: item.headers })));
  for (let batch = 0; batch < 20; batch += 1) await call('POST', '/v2/batch', {}, items);
  const { page, context, sound } = await look('#/messages?label=many');
  const seen = new Set();
  for (let pages = 0; pages < 3; pages += 1) {
    await page.locator('a.row').nth(49).waitFor();
    assert.equal(await page.locator('a.row').count(), 50);
    const ids = await page.locator('main li').evaluateAll((rows) => rows.map((row) => row.dataset.key));
    ids.forEach((id) => seen.add(id));
    await page.getByRole('link', { name: 'Older' }).click();
    await page.waitForFunction((id) => !document.querySelector(`[data-key="${id}"]`), ids[0]);
  }
  assert.equal(seen.size, 150);
  await page.getByRole('link', { name: 'Newest' }).click();
  sound();
  await context.close();
});

for (const theme of THEMES) {
  test(`nobody is kept out, and nothing is cut off: ${theme}`, async () => {
    const { id } = await dead('/shown', { 'upstash-label': 'shown' }, `long${'-'.repeat(3_000)}`);
    const { page, context, sound } = await look('', { theme });
    for (const hash of ['#/messages', `#/message/${id}`, '#/message/none', '#/messages?search=none', '#/dead', '#/schedules', '#/settings']) {
      for (const viewport of [DESK, PHONE]) {
        await page.setViewportSize(viewport);
        await goto(page, hash);
        await fits(page);
        await accessible(page);
      }
    }
    sound();
    await context.close();
  });
}
