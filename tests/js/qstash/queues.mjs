// Queues and flow control.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { advance, client, destination, idle, verify } from '../support.mjs'

describe('queues', () => {
  const to = destination()

  test('in order, held while paused', async () => {
    const queue = client.queue({ queueName: 'js-queue' })
    await queue.upsert({ parallelism: 1, paused: true })
    await queue.enqueue({ url: `${to.base}/queued`, body: 'first' })
    await queue.enqueueJSON({ url: `${to.base}/queued`, body: { second: 2 } })
    const before = await queue.get()
    assert.deepEqual([before.name, before.parallelism, before.paused, before.lag], ['js-queue', 1, true, 2])
    assert.deepEqual((await queue.list()).map((known) => known.name), ['js-queue'])
    assert.equal(to.requests.length, 0)
    await queue.resume()
    await idle()
    assert.deepEqual(to.to('/queued').map((push) => push.body), ['first', '{"second":2}'])
    await verify(to.to('/queued')[1])
    await queue.pause()
    assert.equal((await queue.get()).paused, true)
    await queue.delete()
    await assert.rejects(queue.get(), { status: 404 })
  })

  test('one bad message holds the others up, until it is given up', async () => {
    const queue = client.queue({ queueName: 'js-blocked' })
    to.answers = (request) => (request.body === 'bad' ? 500 : 200)
    await queue.enqueue({ url: `${to.base}/lane`, body: 'bad', retries: 1, retryDelay: '60000' })
    await queue.enqueue({ url: `${to.base}/lane`, body: 'good' })
    await to.nth('/lane')
    assert.equal((await queue.get()).lag, 2)
    await advance('1m')
    await idle()
    assert.deepEqual(to.to('/lane').map((push) => push.body), ['bad', 'bad', 'good'])
    await queue.delete()
    await client.dlq.delete({ all: true })
  })
})

describe('flow control', () => {
  const to = destination()

  test('a key: its limits, pinned, paused, reset', async () => {
    const { flowControl } = client
    const key = 'js-key'
    const publish = () => client.publish({ url: `${to.base}/flow`, flowControl: { key, parallelism: 3, rate: 2, period: '1m' } })
    await publish()
    await idle()
    const info = await flowControl.get(key)
    assert.deepEqual([info.flowControlKey, info.parallelismMax, info.rateMax, info.ratePeriod, info.rateCount], [key, 3, 2, 60, 1])
    await flowControl.pause(key)
    await publish()
    const paused = await flowControl.get(key)
    assert.deepEqual([paused.isPaused, paused.waitListSize], [true, 1])
    await flowControl.resume(key)
    await idle()
    await publish()
    assert.equal((await flowControl.get(key)).waitListSize, 1)
    await flowControl.resetRate(key)
    await idle()
    assert.equal(to.to('/flow').length, 3)
    await flowControl.pin(key, { parallelism: 7, rate: 9, period: 5 })
    await publish()
    await idle()
    const pinned = await flowControl.get(key)
    assert.deepEqual([pinned.parallelismMax, pinned.rateMax, pinned.ratePeriod, pinned.isPinnedParallelism, pinned.isPinnedRate], [7, 9, 5, true, true])
    await flowControl.unpin(key, { parallelism: true, rate: true })
    assert.deepEqual([(await flowControl.get(key)).isPinnedParallelism, (await flowControl.get(key)).isPinnedRate], [false, false])
    const all = await flowControl.getGlobalParallelism()
    assert.ok(all.parallelismMax > 0 && all.parallelismCount === 0)
  })
})
