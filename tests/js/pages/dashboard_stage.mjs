// A stage for the tests of the operator's page: a whole system with the service at SERVICE and its stand-ins at STAND_INS, and a
// browser that is logged in unless it is told not to be.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { launch, visit } from '../browser.mjs';

export const { SERVICE, STAND_INS } = process.env;
/** The one that `dev` publishes. */
export const SECRET = 'cliprelay-dev';
// A job takes half a minute on a busy machine.
export const JOB_MS = 90_000;
// How often Klap's stand-in is looked at before it is done.
const QUICK = { task: { looks: 1 }, emptyFolder: { looks: 0 }, export: { looks: 1 } };
const LONG = { ...QUICK, task: { seconds: 600 } };

export let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

async function call(method, url, body, headers = {}) {
  const answer = await fetch(url, { method, headers: { 'content-type': 'application/json', ...headers }, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${url}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

const control = (method, path, body) => call(method, `${STAND_INS}/klap/control/${path}`, body);
export const admin = (method, path, body) => call(method, `${SERVICE}/api/admin/${path}`, body, { authorization: `Bearer ${SECRET}` });

/** Hands a job in, with a caller's key where one is asked for; its id. */
export async function enqueue(projectId, clips = 1, key = null) {
  const video = `${STAND_INS}/klap/videos/sample.mp4`;
  return (await call('POST', `${SERVICE}/api/process-klap`, { projectId, videoUrl: video, options: { targetClipCount: clips } },
    key ? { authorization: `Bearer ${key}` } : {})).jobId;
}

/** The job, once its status is this one. */
export async function until(id, status) {
  for (const end = Date.now() + JOB_MS; Date.now() < end; await pause(100)) {
    const { job } = await admin('GET', `jobs/${id}`);
    if (job.status === status) return job;
  }
  throw new Error(`${id} is not ${status}`);
}

/** A job that makes its clips. */
export async function completed(project, clips = 1, key = null) {
  await control('PUT', 'pace', QUICK);
  const id = await enqueue(project, clips, key);
  await until(id, 'completed');
  return id;
}

/** A job that Klap gives up; a retry of it succeeds. */
export async function failed(project) {
  await control('PUT', 'pace', QUICK);
  await control('POST', 'faults', { operation: 'create_task', effect: { fail: { code: 'internal', message: 'of all things' } } });
  const id = await enqueue(project);
  await until(id, 'failed');
  return id;
}

/** A job that Klap works on for as long as anybody looks. */
export async function running(project) {
  await control('PUT', 'pace', LONG);
  const id = await enqueue(project);
  await until(id, 'processing');
  return id;
}

/** The page, logged in; `before(page)` may change what it is answered. */
export async function look(hash = '#/', { before: prepared, secret = SECRET, ...looks } = {}) {
  const seen = await visit(browser, SERVICE, { path: '/', others: [STAND_INS], ...looks });
  await seen.page.getByLabel('WORKER_SECRET').waitFor();
  await prepared?.(seen.page);
  if (secret) await seen.page.evaluate((secret) => sessionStorage.setItem('cliprelay.secret', secret), secret);
  await seen.page.goto(`/${hash}`);
  await seen.page.reload();
  return seen;
}

/** Opens another part and waits until it has its news. */
export async function goto(page, hash) {
  await page.evaluate((hash) => { location.hash = hash; }, hash);
  await settled(page);
}

/** Nothing is being loaded. */
export async function settled(page) {
  await page.locator('main section, main .state').first().waitFor();
  await page.waitForFunction(() => !document.querySelector('.loading, [aria-busy=true]'));
}

export const row = (page, id) => page.locator(`tr[data-key="${id}"]`);
export const letter = (page, id) => page.locator(`li[data-key="${id}"]`);
export const shows = (page, text) => page.getByText(text).first().waitFor();

/** What a picture is wanted of goes to the folder that LOOKS names, if any. */
export async function picture(page, name) {
  if (!process.env.LOOKS) return;
  const { width, height } = page.viewportSize();
  const tall = await page.evaluate(() => document.documentElement.scrollHeight);
  // As tall as it is, so that what is fixed at the bottom is at the bottom.
  await page.setViewportSize({ width, height: Math.max(height, Math.min(tall, 4_000)) });
  await pause(300);
  await page.screenshot({ path: `${process.env.LOOKS}/${name}.png` });
  await page.setViewportSize({ width, height });
}
