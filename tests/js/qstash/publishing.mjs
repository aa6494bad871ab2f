// Publishing: to an address and to a group, one and many, with everything that a publisher can say.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { advance, client, destination, idle, verify } from '../support.mjs'

describe('publishing', () => {
  const to = destination()
  after(() => client.urlGroups.delete('js-group'))

  test('a message arrives as it was published, signed', async () => {
    const url = `${to.base}/plain?b=2&a=%2F`
    const { messageId } = await client.publish({ url, method: 'PUT', body: 'text, ünicode', headers: { 'content-type': 'text/plain', 'x-mine': 'forwarded' } })
    const push = await to.nth('/plain?b=2&a=%2F')
    assert.equal(push.method, 'PUT')
    assert.equal(push.body, 'text, ünicode')
    assert.equal(push.headers['content-type'], 'text/plain')
    assert.equal(push.headers['x-mine'], 'forwarded')
    assert.equal(push.headers['upstash-message-id'], messageId)
    assert.equal(push.headers['upstash-retried'], '0')
    assert.deepEqual(Object.keys(push.headers).filter((name) => name.startsWith('upstash-telemetry')), [])
    await verify(push)
  })

  test('JSON', async () => {
    await client.publishJSON({ url: `${to.base}/json`, body: { nested: [1, null] } })
    const push = await to.nth('/json')
    assert.deepEqual(JSON.parse(push.body), { nested: [1, null] })
    assert.equal(push.headers['content-type'], 'application/json')
    await verify(push)
  })

  test('a delay and a time hold it back, and it can be read meanwhile', async () => {
    const { messageId } = await client.publish({ url: `${to.base}/later`, body: 'later', delay: '90m', retries: 2, label: ['first', 'second'], retryDelay: '1000 * (1 + retried)', timeout: 30 })
    const at = Math.floor(Date.now() / 1000) + 7200
    const second = await client.publish({ url: `${to.base}/later`, body: 'at', notBefore: at })
    const message = await client.messages.get(messageId)
    assert.equal(message.url, `${to.base}/later`)
    assert.equal(message.body, 'later')
    assert.equal(message.method, 'POST')
    assert.equal(message.maxRetries, 2)
    assert.equal(message.label, 'first')
    assert.deepEqual(message.labels, ['first', 'second'])
    assert.equal(message.retryDelayExpression, '1000 * (1 + retried)')
    assert.equal(message.notBefore - message.createdAt, 90 * 60_000)
    assert.equal((await client.messages.get(second.messageId)).notBefore, at * 1000)
    await advance('89m')
    assert.equal(to.requests.length, 0)
    await advance('2m')
    assert.equal((await to.nth('/later')).body, 'later')
    await advance('1h')
    assert.equal((await to.nth('/later', 2)).body, 'at')
  })

  test('deduplicated by id and by content', async () => {
    const first = await client.publish({ url: `${to.base}/once`, body: 'a', deduplicationId: 'js-once' })
    const again = await client.publish({ url: `${to.base}/once`, body: 'b', deduplicationId: 'js-once' })
    assert.deepEqual([again.messageId, again.deduplicated], [first.messageId, true])
    const content = { url: `${to.base}/content`, contentBasedDeduplication: true }
    const one = await client.publishJSON({ ...content, body: { same: 1 } })
    const same = await client.publishJSON({ ...content, body: { same: 1 } })
    const other = await client.publishJSON({ ...content, body: { same: 2 } })
    assert.deepEqual([same.messageId, same.deduplicated], [one.messageId, true])
    assert.equal(other.deduplicated, undefined)
    await idle()
    assert.deepEqual([to.to('/once').length, to.to('/content').length], [1, 2])
  })

  test('many at once, each with its own', async () => {
    const answers = await client.batch([
      { url: `${to.base}/batch/1`, body: 'one', method: 'PATCH', headers: { 'x-n': '1' } },
      { url: `${to.base}/batch/2`, body: 'two', queueName: 'js-batch' },
    ])
    const json = await client.batchJSON([{ url: `${to.base}/batch/3`, body: { three: 3 } }])
    assert.equal(new Set([...answers, ...json].map((answer) => answer.messageId)).size, 3)
    await idle()
    const pushes = await Promise.all([1, 2, 3].map((n) => to.nth(`/batch/${n}`)))
    assert.deepEqual(pushes.map((push) => push.body), ['one', 'two', '{"three":3}'])
    assert.deepEqual([pushes[0].method, pushes[0].headers['x-n'], pushes[2].headers['content-type']], ['PATCH', '1', 'application/json'])
    await Promise.all(pushes.map((push) => verify(push)))
    await client.queue({ queueName: 'js-batch' }).delete()
  })

  test('a group: its endpoints, and one message for each', async () => {
    const groups = client.urlGroups
    assert.equal(client.topics.constructor, groups.constructor)
    await groups.addEndpoints({ name: 'js-group', endpoints: [{ name: 'one', url: `${to.base}/one` }, { url: `${to.base}/two` }, { name: 'gone', url: `${to.base}/gone` }] })
    await groups.removeEndpoints({ name: 'js-group', endpoints: [{ name: 'gone' }] })
    const group = await groups.get('js-group')
    assert.deepEqual(group.endpoints.map((endpoint) => endpoint.url), [`${to.base}/one`, `${to.base}/two`])
    assert.equal(group.endpoints[0].name, 'one')
    assert.ok(group.createdAt <= group.updatedAt)
    assert.deepEqual((await groups.list()).map((known) => known.name), ['js-group'])
    const answers = await client.publishJSON({ urlGroup: 'js-group', body: 'all' })
    assert.deepEqual(answers.map((answer) => answer.url), group.endpoints.map((endpoint) => endpoint.url))
    const [[batched]] = [await client.batch([{ urlGroup: 'js-group', body: 'batched' }])]
    assert.equal(batched.length, 2)
    await idle()
    assert.deepEqual([to.to('/one').length, to.to('/two').length, to.to('/gone').length], [2, 2, 0])
    assert.equal(to.to('/one')[0].headers['upstash-topic-name'], 'js-group')
    await verify(to.to('/one')[0])
    await groups.delete('js-group')
    await assert.rejects(groups.get('js-group'), { status: 404 })
  })

  test('what is redacted is not shown, and delivered', async () => {
    const { messageId } = await client.publish({ url: `${to.base}/redacted`, body: 'secret', delay: '1m', headers: { 'x-secret': 's', 'x-open': 'o' }, redact: { body: true, header: ['x-secret'] } })
    const shown = await client.messages.get(messageId)
    assert.match(shown.body, /^REDACTED:/)
    assert.match(shown.header['X-Secret'][0], /^REDACTED:/)
    assert.deepEqual(shown.header['X-Open'], ['o'])
    await advance('1m')
    const push = await to.nth('/redacted')
    assert.deepEqual([push.body, push.headers['x-secret']], ['secret', 's'])
  })

  test('what is wrong is said with its status', async () => {
    await assert.rejects(client.publish({ url: 'ftp://example.com' }), (error) => error.status === 400 && /invalid scheme/.test(error.message))
    await assert.rejects(client.publish({ url: to.base, retries: 999 }), { status: 412 })
    await assert.rejects(client.publish({ urlGroup: 'js-nobody' }), { status: 404 })
    await assert.rejects(client.publish({ url: to.base, deduplicationId: 'a:b' }), /cannot contain ':'/)
    await assert.rejects(client.messages.get('msg_unknown'), { status: 404 })
  })

  test('a language model is refused, not half done', async () => {
    const { upstash } = await import('@upstash/qstash')
    const asked = { provider: upstash(), model: 'meta-llama/Meta-Llama-3-8B-Instruct', messages: [{ role: 'user', content: 'hello' }] }
    await assert.rejects(client.chat().create(asked), { status: 404 })
  })
})
