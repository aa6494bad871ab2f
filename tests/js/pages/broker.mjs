// What the broker's page shows and does. BROKER_OWN is another broker, with a token that is not published: BROKER_TOKEN.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, visit } from '../browser.mjs';
import { at, BROKER, browser, call, dead, DEV_TOKEN, failing, goto, HOSTILE, look, publish, row, shows } from './stage.mjs';

const { BROKER_OWN, BROKER_TOKEN } = process.env;

test('what is published shows up by itself, and is found again', async () => {
  const { page, context, sound } = await look();
  await page.getByRole('navigation', { name: 'States' }).waitFor();
  const id = await publish(`${at}/live`, { 'upstash-label': 'fresh' });
  const other = await publish(`${at}/else`, { 'upstash-delay': '1h' });
  await row(page, id).getByText('Delivered').waitFor();
  await row(page, other).getByText('Waiting').waitFor();
  for (const [query, one, none] of [[`label:fresh`, id, other], ['/ELSE', other, id], [other.slice(-12), other, id]]) {
    await page.keyboard.press('Escape');
    await page.keyboard.press('/');
    await page.keyboard.type(query);
    await row(page, none).waitFor({ state: 'detached' });
    await row(page, one).waitFor();
    await page.getByRole('searchbox').fill('');
    await row(page, none).waitFor();
  }
  await page.getByRole('link', { name: 'Waiting', exact: true }).click();
  await row(page, id).waitFor({ state: 'detached' });
  await row(page, other).waitFor();
  sound();
  await context.close();
});

test('the keyboard alone leads to a message and back', async () => {
  await publish(`${at}/keys`, { 'upstash-delay': '1h', 'upstash-label': 'keys' });
  const { page, context, sound } = await look('#/messages?label=keys');
  await page.locator('a.row').waitFor();
  await page.keyboard.press('/');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await shows(page, 'What happened');
  await page.keyboard.press('Escape');
  await page.getByRole('searchbox').waitFor();
  sound();
  await context.close();
});

test('every attempt is told as it is made: what was answered, and when the next one is', async () => {
  failing.add('/broken');
  const id = await publish(`${at}/broken`, { 'upstash-retries': '2', 'upstash-retry-delay': '1500' });
  const { page, context, sound } = await look(`#/message/${id}`);
  await shows(page, 'Attempt 1');
  await shows(page, /answered 500/);
  await shows(page, /To be tried again at/);
  await shows(page, 'Attempt 3');
  await shows(page, 'Given up');
  assert.equal(await page.getByText(/answered 500/).count(), 3);
  assert.equal(await page.getByText(/nothing here/).count(), 3);
  sound();
  await context.close();
});

test('an attempt without an answer says why', async () => {
  const id = await publish('http://127.0.0.1:1/nobody', { 'upstash-retries': '0' });
  const { page, context } = await look(`#/message/${id}`);
  await shows(page, /no answer/);
  await shows(page, /refused/i);
  await context.close();
});

test('a dead letter is retried as a new message, or deleted', async () => {
  const [first, second] = [await dead('/mended/1'), await dead('/mended/2')];
  const { page, context, sound } = await look('#/dead');
  await page.getByRole('button', { name: `Delete ${second.id}` }).click();
  await row(page, second.dlqId).getByRole('button', { name: 'Really?' }).click();
  await row(page, second.dlqId).waitFor({ state: 'detached' });
  await row(page, first.dlqId).getByRole('link').click();
  await shows(page, 'Given up');
  failing.delete('/mended/1');
  await page.getByRole('button', { name: 'Retry' }).click();
  await page.waitForFunction((id) => !location.hash.endsWith(id), first.id);
  await page.locator('.title').getByText('Delivered').waitFor();
  const { messages } = await call('GET', '/v2/dlq');
  const left = messages.map(({ messageId }) => messageId);
  assert.ok(!left.includes(first.id) && !left.includes(second.id), `${left}`);
  sound();
  await context.close();
});

test('a waiting message is canceled, after a second thought', async () => {
  const id = await publish(`${at}/never`, { 'upstash-delay': '1h' });
  const { page, context, sound } = await look(`#/message/${id}`);
  await page.getByRole('button', { name: 'Cancel', exact: true }).click();
  assert.equal((await call('GET', `/v2/messages/${id}`)).messageId, id);
  await page.getByRole('button', { name: 'Really cancel?' }).click();
  await page.locator('.title').getByText('Canceled').waitFor();
  const answer = await fetch(`${BROKER}/v2/messages/${id}`, { headers: { authorization: `Bearer ${DEV_TOKEN}` } });
  assert.equal(answer.status, 404);
  sound();
  await context.close();
});

test('a schedule is paused and resumed', async () => {
  await call('POST', `/v2/schedules/${at}/tick`, { 'upstash-cron': '0 3 1 1 *', 'upstash-schedule-id': 'yearly' });
  const paused = async () => (await call('GET', '/v2/schedules/yearly')).isPaused;
  const { page, context, sound } = await look('#/schedules');
  await page.getByRole('button', { name: 'Pause yearly' }).click();
  await page.getByRole('button', { name: 'Resume yearly' }).waitFor();
  assert.equal(await paused(), true);
  await page.getByRole('button', { name: 'Resume yearly' }).click();
  await page.getByRole('button', { name: 'Pause yearly' }).waitFor();
  assert.equal(await paused(), false);
  sound();
  await context.close();
});

test('a queue is paused', async () => {
  await call('POST', '/v2/queues', {}, JSON.stringify({ queueName: 'held', parallelism: 2 }));
  const { page, context, sound } = await look('#/settings');
  await page.getByRole('button', { name: 'Pause held' }).click();
  await page.getByRole('button', { name: 'Resume held' }).waitFor();
  assert.equal((await call('GET', '/v2/queues/held')).paused, true);
  sound();
  await context.close();
});

test('what strangers write stays text', async () => {
  const path = `/x/${HOSTILE.map(encodeURIComponent).join('/')}`;
  failing.add('/x/');
  const headers = { 'upstash-label': HOSTILE[0], 'upstash-forward-x-hostile': HOSTILE[1], 'upstash-retries': '0' };
  const { id } = await dead(`${path}?<svg/onload=globalThis.owned=1>`.replace('<', '%3C'), headers, HOSTILE.join('\n'));
  const { page, context, sound } = await look();
  await row(page, id).getByText(HOSTILE[0]).waitFor();
  for (const hash of [`#/message/${id}`, '#/dead', `#/message/${encodeURIComponent(HOSTILE[0])}`, `#/messages?search=${encodeURIComponent(HOSTILE[1])}`]) {
    await goto(page, hash);
    if (hash.endsWith(id)) {
      await shows(page, HOSTILE[4]);
      for (const summary of await page.locator('summary').all()) await summary.click();
    }
    assert.deepEqual(await page.evaluate(() => [globalThis.owned, document.querySelectorAll('main :is(img, script, svg, iframe)').length]), [undefined, 0]);
  }
  sound();
  await context.close();
});

test('the policy would stop a script that came through', async () => {
  const { page, context } = await look();
  const stopped = await page.evaluate(() => {
    try {
      document.body.innerHTML = '<img src=x onerror="globalThis.owned=1">';
      return false;
    } catch (error) {
      return error instanceof TypeError;
    }
  });
  assert.ok(stopped, 'markup from a text is refused');
  const answer = await fetch(`${BROKER}/_broker/`);
  const policy = answer.headers.get('content-security-policy');
  for (const part of ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"]) assert.ok(policy.includes(part), part);
  await context.close();
});

test('other websites may not use the published tokens', async () => {
  const foreign = await browser.newContext();
  const page = await foreign.newPage();
  await page.goto(at);
  const tried = await page.evaluate(async ([broker, token]) => {
    const asked = (url, options) => fetch(url, options).then(() => 'answered', () => 'refused');
    await asked(`${broker}/v2/publish/http://127.0.0.1:1/forged?qstash_token=${token}`, { method: 'POST', mode: 'no-cors', body: 'x' });
    return asked(`${broker}/v2/messages/x`, { headers: { authorization: `Bearer ${token}` } });
  }, [BROKER, encodeURIComponent(DEV_TOKEN)]);
  assert.equal(tried, 'refused');
  const { messages } = await call('GET', '/_broker/messages?search=/forged');
  assert.deepEqual(messages, []);
  await foreign.close();
});

test('an own token is asked for, kept out of the files, and forgotten on leaving', async () => {
  const { page, context } = await visit(browser, BROKER_OWN, { path: '/' });
  await page.getByLabel('QSTASH_TOKEN').waitFor();
  await accessible(page);
  await page.getByLabel('QSTASH_TOKEN').fill('not it');
  await page.getByRole('button', { name: 'Look' }).click();
  await shows(page, /not the broker’s/);
  await page.getByLabel('QSTASH_TOKEN').fill(BROKER_TOKEN);
  await page.getByRole('button', { name: 'Look' }).click();
  await shows(page, 'No message yet');
  await accessible(page);
  for (const path of ['/_broker/', '/_broker/page.js', '/_broker/users']) {
    assert.ok(!(await (await fetch(BROKER_OWN + path)).text()).includes(BROKER_TOKEN), path);
  }
  await page.getByRole('button', { name: 'Leave' }).click();
  await page.getByLabel('QSTASH_TOKEN').waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await context.close();
});

test('a broker that is away is said to be, and what was shown stays', async () => {
  await publish(`${at}/kept`, { 'upstash-label': 'kept' });
  const { page, context } = await look('#/messages?label=kept');
  await page.locator('a.row').waitFor();
  await context.setOffline(true);
  await page.getByRole('alert').getByText(/cannot be reached/).waitFor();
  assert.equal(await page.locator('a.row').count(), 1);
  await context.setOffline(false);
  await page.getByText(/cannot be reached/).waitFor({ state: 'hidden' });
  await context.close();
});
