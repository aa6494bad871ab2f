// A real Chromium for the tests of our pages: started without a network life of its own, and watched while it looks: which
// requests leave the page's origin, which scripts fail, what its policy refuses.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const PATIENCE_MS = 60_000;
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

export const PHONE = { width: 360, height: 740 };
export const DESK = { width: 1280, height: 800 };
export const THEMES = ['light', 'dark'];

/** A browser with a profile of its own, which is gone with it. */
export function launch() {
  const places = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'chromium'));
  const executablePath = places.find((place) => existsSync(place));
  assert.ok(executablePath, 'chromium is installed');
  return chromium.launch({ executablePath, headless: true, args: ARGUMENTS });
}

/** A page on `origin`, which asks only there and at `others`, and `sound()`, which fails if anything was wrong with it until then. */
export async function visit(browser, origin, { path = '/', theme = 'light', viewport = DESK, others = [] } = {}) {
  const context = await browser.newContext({ baseURL: origin, colorScheme: theme, viewport });
  context.setDefaultTimeout(PATIENCE_MS);
  await context.addInitScript({ path: AXE });
  const [strays, wrongs] = [[], []];
  context.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'data:' && ![origin, ...others].includes(url.origin)) strays.push(request.url());
  });
  const page = await context.newPage();
  page.on('pageerror', (error) => wrongs.push(String(error)));
  page.on('dialog', (dialog) => {
    wrongs.push(`a dialog: ${dialog.message()}`);
    return dialog.dismiss();
  });
  page.on('console', (message) => message.type() === 'error' && !EXPECTED.test(message.text()) && wrongs.push(message.text()));
  await page.goto(path);
  const sound = () => assert.deepEqual({ strays, wrongs }, { strays: [], wrongs: [] });
  return { page, context, sound };
}

// Chromium says so of every answer that is none of 2xx; whoever asks deals with it.
const EXPECTED = /^Failed to load resource: the server responded with a status of/;

/** Nothing on the page keeps somebody out: axe finds nothing serious or critical. */
export async function accessible(page) {
  // What is still fading in has the wrong contrast.
  await page.evaluate(() => Promise.all(document.getAnimations().filter(({ effect }) => effect.getTiming().iterations === 1)
    .map(({ finished }) => finished.catch(() => {}))));
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const told = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`);
  assert.deepEqual(told, []);
}

/** A clip's player shows a film that moves. */
export async function plays(video) {
  const played = await video.evaluate(async (element) => {
    element.muted = true;
    await element.play();
    await new Promise((go) => element.addEventListener('timeupdate', () => element.currentTime > 0.1 && go()));
    return { width: element.videoWidth, error: element.error?.message };
  });
  assert.ok(played.width > 0, JSON.stringify(played));
}

/** Nothing is cut off at the side, nor scrolled to. */
export async function fits(page) {
  const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(wide <= room, `${wide} pixels wide, and there are ${room}`);
}
