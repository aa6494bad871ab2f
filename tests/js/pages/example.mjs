// The example page as its users meet it: on an origin of its own (PAGE), against the real service at SERVICE.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { accessible, DESK, fits, launch, PHONE, THEMES, visit } from '../browser.mjs';

const { SERVICE, STAND_INS, PAGE } = process.env;
const VIDEO = `${STAND_INS}/klap/videos/sample.mp4`;
// A job takes half a minute on a busy machine.
const JOB_MS = 120_000;
// How often Klap's stand-in is looked at before it is done.
const QUICK = { task: { looks: 1 }, emptyFolder: { looks: 0 }, export: { looks: 1 } };

let browser, server;

before(async () => {
  browser = await launch();
  const page = readFileSync(new URL('../../../examples/page/index.html', import.meta.url));
  server = http.createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(page));
  server.listen(new URL(PAGE).port, '127.0.0.1');
  await once(server, 'listening');
});

after(async () => {
  await browser?.close();
  server?.closeAllConnections();
  server?.close();
});

const open = (looks = {}) =>
  visit(browser, PAGE, { path: `/?service=${encodeURIComponent(SERVICE)}`, others: [SERVICE, STAND_INS], ...looks });

async function control(method, path, body) {
  const answer = await fetch(`${STAND_INS}/klap/control/${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
}

async function ask(page, project, clips = 2) {
  await page.getByLabel('Project').fill(project);
  await page.getByLabel('Address of the video').fill(VIDEO);
  await page.getByLabel('How many clips').fill(String(clips));
  await page.getByRole('button', { name: 'Make clips' }).click();
}

const stands = (page, state) => page.locator(`#state[data-is=${state}]`).waitFor({ timeout: JOB_MS });

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
  for (const video of await page.locator('#clips video').all()) {
    const played = await video.evaluate(async (element) => {
      element.muted = true;
      await element.play();
      await new Promise((go) => element.addEventListener('timeupdate', () => element.currentTime > 0.1 && go()));
      return { width: element.videoWidth, error: element.error?.message };
    });
    assert.ok(played.width > 0, JSON.stringify(played));
  }
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
  for (const theme of THEMES) {
    for (const viewport of [DESK, PHONE]) {
      const { page, context, sound } = await open({ theme, viewport });
      await ask(page, 'example');
      await stands(page, 'completed');
      await fits(page);
      await accessible(page);
      if (process.env.LOOKS) await page.screenshot({ path: `${process.env.LOOKS}/${theme}-${viewport.width}.png`, fullPage: true });
      await sound();
      await context.close();
    }
  }
});
