// A stage for the tests of the example page: it is served on an origin of its own (PAGE), against the real service at SERVICE.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { after, before } from 'node:test';
import { launch, visit } from '../browser.mjs';

export const { SERVICE, STAND_INS, PAGE } = process.env;
const VIDEO = `${STAND_INS}/klap/videos/sample.mp4`;
// A job takes half a minute on a busy machine.
const JOB_MS = 120_000;
// How often Klap's stand-in is looked at before it is done.
export const QUICK = { task: { looks: 1 }, emptyFolder: { looks: 0 }, export: { looks: 1 } };

export let browser;
let server;

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

export const open = (looks = {}) =>
  visit(browser, PAGE, { path: `/?service=${encodeURIComponent(SERVICE)}`, others: [SERVICE, STAND_INS], ...looks });

export async function control(method, path, body) {
  const answer = await fetch(`${STAND_INS}/klap/control/${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
}

export async function ask(page, project, clips = 2) {
  await page.getByLabel('Project').fill(project);
  await page.getByLabel('Address of the video').fill(VIDEO);
  await page.getByLabel('How many clips').fill(String(clips));
  await page.getByRole('button', { name: 'Make clips' }).click();
}

export const stands = (page, state) => page.locator(`#state[data-is=${state}]`).waitFor({ timeout: JOB_MS });
