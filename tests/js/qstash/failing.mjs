// What goes wrong at the destination: retries, callbacks, dead letters.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { advance, client, destination, idle, verify } from '../support.mjs'

const text = (base64) => Buffer.from(base64, 'base64').toString()

describe('failing', () => {
  const to = destination()
  after(() => client.dlq.delete({ all: true }))

  /** A message that died at once. */
  async function dead(path, more = {}) {
    to.answers = (request) => (request.path === path ? { status: 500, body: 'broken' } : 200)
    const { messageId } = await client.publish({ url: `${to.base}${path}`, body: 'dead', retries: 0, ...more })
    await idle()
    const { messages } = await client.dlq.listMessages({ filter: { messageId } })
    assert.equal(messages.length, 1)
    return messages[0]
  }

  test('tried again, each time later, until it is answered', async () => {
    to.answers = (request, before) => (request.path === '/again' && before < 2 ? 503 : 200)
    const { messageId } = await client.publish({ url: `${to.base}/again`, retryDelay: '60000 * (retried + 1)', callback: `${to.base}/callback` })
    await to.nth('/again')
    await to.nth('/callback')
    assert.equal((await client.messages.get(messageId)).messageId, messageId)
    await advance('1m')
    await to.nth('/again', 2)
    await to.nth('/callback', 2)
    await advance('2m')
    await idle()
    const pushes = to.to('/again')
    assert.deepEqual(pushes.map((push) => push.headers['upstash-retried']), ['0', '1', '2'])
    assert.deepEqual(pushes.map((push) => push.headers['upstash-message-id']), [messageId, messageId, messageId])
    await Promise.all([...pushes, ...to.to('/callback')].map((push) => verify(push)))
    const told = to.to('/callback').map((push) => JSON.parse(push.body))
    assert.deepEqual(told.map(({ status, retried, sourceMessageId }) => [status, retried, sourceMessageId]), [[503, 0, messageId], [503, 1, messageId], [200, 2, messageId]])
    const log = (await client.logs({ messageIds: [messageId] })).logs.map((entry) => entry.state)
    assert.equal(log[0], 'DELIVERED')
    assert.equal(log.filter((state) => state === 'RETRY').length, 2)
  })

  test('a failure callback says what, and of which message', async () => {
    to.answers = (request) => (request.path === '/fails' ? { status: 418, headers: { 'x-why': 'tea' }, body: 'a teapot' } : 200)
    const { messageId } = await client.publishJSON({
      url: `${to.base}/fails`,
      body: { n: 1 },
      retries: 1,
      retryDelay: '1000',
      callback: `${to.base}/each`,
      failureCallback: `${to.base}/failure`,
      headers: { 'upstash-failure-callback-forward-x-for': 'failure', 'x-for': 'destination' },
    })
    await to.nth('/each')
    await advance('2s')
    await idle()
    assert.equal(to.to('/fails').length, 2)
    assert.equal(to.to('/each').length, 2)
    const [push] = to.to('/failure')
    await verify(push)
    assert.equal(push.headers['x-for'], 'failure')
    const told = JSON.parse(push.body)
    assert.deepEqual([told.status, told.retried, told.maxRetries, told.sourceMessageId, told.url], [418, 1, 1, messageId, `${to.base}/fails`])
    assert.deepEqual([text(told.body), text(told.sourceBody), told.header['X-Why']], ['a teapot', '{"n":1}', ['tea']])
    const { messages: [letter] } = await client.dlq.listMessages({ dlqIds: told.dlqId })
    assert.deepEqual([letter.messageId, letter.responseStatus, letter.responseBody], [messageId, 418, 'a teapot'])
  })

  test('489 with its header ends it at once', async () => {
    to.answers = () => ({ status: 489, headers: { 'upstash-nonretryable-error': 'true' } })
    const { messageId } = await client.publish({ url: `${to.base}/never`, retries: 3 })
    await idle()
    assert.equal(to.requests.length, 1)
    const { messages } = await client.dlq.listMessages({ filter: { messageId } })
    assert.equal(messages[0].responseStatus, 489)
  })

  test('Retry-After says when', async () => {
    to.answers = (_, before) => (before === 0 ? { status: 429, headers: { 'retry-after': '2h' } } : 200)
    const { messageId } = await client.publish({ url: `${to.base}/busy` })
    await to.nth('/busy')
    await client.events({ messageIds: [messageId] })
    await advance('1h')
    assert.equal(to.requests.length, 1)
    await advance('61m')
    await to.nth('/busy', 2)
    await idle()
  })

  test('dead letters: by filter, one, and again under a new id', async () => {
    const one = await dead('/dead/1', { label: 'js-dead' })
    const two = await dead('/dead/2', { label: 'js-dead' })
    const three = await dead('/dead/3', { label: 'js-other' })
    const listed = await client.dlq.listMessages({ filter: { label: 'js-dead' } })
    assert.deepEqual(new Set(listed.messages.map((letter) => letter.dlqId)), new Set([one.dlqId, two.dlqId]))
    const page = await client.dlq.listMessages({ count: 1, filter: { label: 'js-dead' } })
    const rest = await client.dlq.listMessages({ cursor: page.cursor, filter: { label: 'js-dead' } })
    assert.deepEqual([page.messages.length, rest.messages.length, rest.cursor], [1, 1, undefined])

    to.answers = () => 200
    const { responses } = await client.dlq.retry(one.dlqId)
    assert.notEqual(responses[0].messageId, one.messageId)
    await idle()
    const pushes = to.to('/dead/1')
    assert.equal(pushes.at(-1).headers['upstash-message-id'], responses[0].messageId)
    assert.equal(pushes.at(-1).body, 'dead')
    assert.equal((await client.dlq.retry({ filter: { label: 'js-dead' } })).responses.length, 1)
    assert.deepEqual((await client.dlq.listMessages({ filter: { label: 'js-dead' } })).messages, [])
    await client.dlq.delete(three.dlqId)
    await assert.rejects(client.dlq.delete(three.dlqId), { status: 404 })
    await idle()
  })

  test('dead letters: deleted by ids, by filter, all', async () => {
    const letters = [await dead('/gone/1'), await dead('/gone/2'), await dead('/gone/3'), await dead('/gone/4', { label: 'js-gone' })]
    assert.equal((await client.dlq.deleteMany({ dlqIds: [letters[0].dlqId] })).deleted, 1)
    assert.equal((await client.dlq.delete([letters[1].dlqId])).deleted, 1)
    assert.equal((await client.dlq.delete({ filter: { label: 'js-gone' } })).deleted, 1)
    assert.ok((await client.dlq.delete({ all: true })).deleted >= 1)
    assert.deepEqual((await client.dlq.listMessages()).messages, [])
  })
})
