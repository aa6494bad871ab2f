// A stage for the tests of the broker's page: the real broker at BROKER, a browser, and a destination that fails when asked to.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, before } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { launch, visit } from '../browser.mjs';

export const { BROKER } = process.env;
export const DEV_TOKEN = 'eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0=';

// Each would say so, were it ever run.
export const HOSTILE = [
  '<img src=x onerror="document.title=`owned`;globalThis.owned=1">', '"><script>globalThis.owned=1</script>',
  '<svg/onload=globalThis.owned=1>', 'javascript:globalThis.owned=1', '{{globalThis.owned=1}}${globalThis.owned=1}',
];

export let browser, at;
let destination;
/** Paths that begin so are answered 500, with a stranger's words. */
export const failing = new Set();

before(async () => {
  browser = await launch();
  destination = http.createServer((request, response) => {
    request.resume();
    const bad = [...failing].some((start) => request.url.startsWith(start));
    response.writeHead(bad ? 500 : 200, { 'content-type': 'text/html', 'x-hostile': HOSTILE[0] });
    response.end(bad ? `nothing here ${HOSTILE.join(' ')}` : 'taken');
  });
  destination.listen(0, '127.0.0.1');
  await once(destination, 'listening');
  at = `http://127.0.0.1:${destination.address().port}`;
});

after(async () => {
  await browser?.close();
  destination?.closeAllConnections();
  destination?.close();
});

export async function call(method, path, headers = {}, body = undefined) {
  const answer = await fetch(`${BROKER}${path}`, { method, headers: { authorization: `Bearer ${DEV_TOKEN}`, ...headers }, body });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

export const publish = async (url, headers = {}, body = 'a body') => (await call('POST', `/v2/publish/${url}`, headers, body)).messageId;
export const row = (page, id) => page.locator(`li[data-key="${id}"]`);
export const look = (hash = '', more = {}) => visit(browser, BROKER, { path: `/_broker/${hash}`, ...more });

/** Waits until the page shows this. */
export const shows = (page, text) => page.getByText(text).first().waitFor();

/** Opens another part and waits until it has its news. */
export async function goto(page, hash) {
  const before = await page.evaluateHandle(() => document.querySelector('main section'));
  const moved = await page.evaluate((hash) => location.hash !== (location.hash = hash), hash);
  await page.waitForFunction(([before, moved]) => {
    const shown = document.querySelector('main section');
    return shown && (shown !== before || !moved) && !document.querySelector('.loading');
  }, [before, moved]);
}

/** Dead at once, and known as that. */
export async function dead(path, headers = {}, body = 'a body') {
  failing.add(path);
  const id = await publish(`${at}${path}`, { 'upstash-retries': '0', ...headers }, body);
  for (;;) {
    const { messages } = await call('GET', `/v2/dlq?messageId=${id}`);
    if (messages.length) return { id, dlqId: messages[0].dlqId };
    await pause(50);
  }
}
