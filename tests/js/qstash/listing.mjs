// Live messages and the log.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { client, destination, idle } from '../support.mjs'

describe('messages and the log', () => {
  const to = destination()
  const waiting = async (more = {}) => (await client.publish({ url: `${to.base}/waiting`, delay: '1d', ...more })).messageId

  test('cancelled: one, some, by filter, all', async () => {
    const ids = await Promise.all([waiting(), waiting(), waiting(), waiting(), waiting({ label: 'js-cancel' }), waiting(), waiting()])
    assert.deepEqual(await client.messages.cancel(ids[0]), { cancelled: 1 })
    await client.messages.delete(ids[1])
    assert.equal(await client.messages.deleteMany([ids[2]]), 1)
    assert.deepEqual(await client.messages.cancel([ids[3], 'msg_unknown']), { cancelled: 1 })
    assert.deepEqual(await client.messages.cancel({ filter: { label: 'js-cancel' } }), { cancelled: 1 })
    assert.deepEqual(await client.messages.cancel({ all: true, count: 1 }), { cancelled: 1 })
    assert.equal(await client.messages.deleteAll(), 1)
    await assert.rejects(client.messages.cancel(ids[0]), { status: 404 })
    await idle()
    assert.equal(to.requests.length, 0)
  })

  test('the log: newest first, filtered, in pages', async () => {
    const { messageId } = await client.publish({ url: `${to.base}/logged`, label: 'js-log', body: 'logged' })
    await idle()
    const { events, cursor } = await client.events({ filter: { messageId } })
    assert.deepEqual(events.map((event) => event.state), ['DELIVERED', 'ACTIVE', 'CREATED'])
    assert.equal(cursor, undefined)
    assert.deepEqual((await client.logs({ filter: { label: 'js-log', state: 'DELIVERED' } })).logs.map((log) => log.messageId), [messageId])
    const from = events.at(-1).time
    assert.ok((await client.logs({ filter: { fromDate: new Date(from), url: `${to.base}/logged` } })).logs.length >= 3)
    const { host } = new URL(to.base)
    const byPlace = async (filter) => (await client.logs({ filter: { messageId, ...filter } })).logs.length
    assert.deepEqual([await byPlace({ host, path: '/logged' }), await byPlace({ path: '/other' }), await byPlace({ api: 'llm' })], [3, 0, 3])
    const first = await client.logs({ count: 2, filter: { messageId } })
    const rest = await client.logs({ count: 2, cursor: first.cursor, filter: { messageId } })
    assert.deepEqual([...first.logs, ...rest.logs].map((log) => log.state), ['DELIVERED', 'ACTIVE', 'CREATED'])
  })

  test('a workflow run is given up', async () => {
    const headers = { 'upstash-workflow-runid': 'wfr_js', 'upstash-workflow-init': 'true', 'upstash-workflow-url': to.base }
    await client.publish({ url: `${to.base}/run`, delay: '1d', headers })
    assert.equal(await client.workflow.cancel('wfr_js'), true)
    await assert.rejects(client.workflow.cancel('wfr_js'), { status: 404 })
    await idle()
    assert.equal(to.requests.length, 0)
  })
})
