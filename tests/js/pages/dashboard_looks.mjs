// How the operator's page looks: to whom, and on what.

import { test } from 'node:test';
import { accessible, DESK, fits, PHONE, THEMES, visit } from '../browser.mjs';
import { admin, browser, completed, failed, goto, look, picture, running, SERVICE } from './dashboard_stage.mjs';

const NARROW = { width: 320, height: 640 };

test('nobody is kept out, and nothing is cut off: both themes, a desk and phones', async () => {
  const [bad, done, live] = [await failed('looks-failed'), await completed('looks-done', 3), await running('looks-running')];
  const parts = { overview: '#/', jobs: '#/jobs', filtered: '#/jobs?status=failed&since=86400', nothing: '#/jobs?q=nothing-like-this', done: `#/jobs/${done}`, failed: `#/jobs/${bad}`,
    running: `#/jobs/${live}`, letters: '#/letters', audit: '#/audit', look: '#/look' };
  for (const theme of THEMES) {
    const gate = await visit(browser, SERVICE, { theme });
    await gate.page.getByLabel('WORKER_SECRET').waitFor();
    await accessible(gate.page);
    await picture(gate.page, `gate-${theme}`);
    await gate.context.close();
    const { page, context, sound } = await look('#/', { theme });
    for (const [name, hash] of Object.entries(parts)) {
      for (const viewport of [DESK, PHONE, NARROW]) {
        await page.setViewportSize(viewport);
        await goto(page, hash);
        if (viewport !== DESK) await page.evaluate(() => document.querySelectorAll('details:has(> .step)').forEach((details) => (details.open = true)));
        await fits(page);
        if (viewport !== NARROW) await picture(page, `${name}-${theme}-${viewport.width}`);
      }
      await accessible(page);
    }
    await page.setViewportSize(PHONE);
    await goto(page, '#/letters');
    await page.getByLabel('Choose all of klap_task_failed').check();
    await page.getByRole('button', { name: 'Replay…' }).click();
    await page.getByText('Would be replayed').waitFor();
    await fits(page);
    await accessible(page);
    await picture(page, `dialog-${theme}-${PHONE.width}`);
    await page.keyboard.press('Escape');
    sound();
    await context.close();
  }
  await admin('POST', `jobs/${live}/cancel`);
});
