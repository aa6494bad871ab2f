// Schedules.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { advance, client, destination, idle, verify } from '../support.mjs'

describe('schedules', () => {
  const to = destination()

  test('fires, is paused, goes on, is overwritten, is deleted', async () => {
    const { schedules } = client
    const destination = `${to.base}/tick`
    const wish = { destination, cron: '*/5 * * * *', scheduleId: 'js-schedule', body: '{"tick":1}', method: 'PUT', headers: { 'x-from': 'cron' }, retries: 1, callback: `${to.base}/callback`, label: 'js-schedule', flowControl: { key: 'js-schedule', rate: 100 } }
    assert.deepEqual(await schedules.create(wish), { scheduleId: 'js-schedule' })
    const made = await schedules.get('js-schedule')
    assert.deepEqual([made.cron, made.destination, made.method, made.body, made.retries, made.label, made.isPaused, made.flowControlKey, made.ratePerSecond], ['*/5 * * * *', destination, 'PUT', '{"tick":1}', 1, 'js-schedule', false, 'js-schedule', 100])
    assert.deepEqual((await schedules.list()).map((known) => known.scheduleId), ['js-schedule'])
    await advance('5m')
    await idle()
    const push = await to.nth('/tick')
    assert.deepEqual([push.method, push.body, push.headers['upstash-schedule-id'], push.headers['x-from']], ['PUT', '{"tick":1}', 'js-schedule', 'cron'])
    await verify(push)
    assert.equal(JSON.parse((await to.nth('/callback')).body).scheduleId, 'js-schedule')
    const after = await schedules.get('js-schedule')
    assert.ok(after.nextScheduleTime > after.lastScheduleTime)
    assert.deepEqual(Object.values(after.lastScheduleStates), ['SUCCESS'])

    await schedules.pause({ schedule: 'js-schedule' })
    assert.equal((await schedules.get('js-schedule')).isPaused, true)
    await advance('10m')
    assert.equal(to.to('/tick').length, 1)
    await schedules.resume({ schedule: 'js-schedule' })
    await advance('5m')
    await idle()
    assert.equal(to.to('/tick').length, 2)

    await schedules.create({ destination, cron: 'CRON_TZ=Europe/Berlin 0 3 1 1 *', scheduleId: 'js-schedule' })
    const overwritten = await schedules.get('js-schedule')
    assert.deepEqual([overwritten.cron, overwritten.method, overwritten.label], ['CRON_TZ=Europe/Berlin 0 3 1 1 *', 'POST', undefined])
    await schedules.delete('js-schedule')
    await assert.rejects(schedules.get('js-schedule'), { status: 404 })
    await assert.rejects(schedules.create({ destination, cron: 'sometimes' }), { status: 400 })
  })

  test('into a queue, late', async () => {
    const { scheduleId } = await client.schedules.create({ destination: `${to.base}/queued`, cron: '* * * * *', queueName: 'js-scheduled', delay: '2m' })
    await advance('1m')
    await client.schedules.delete(scheduleId)
    assert.equal(to.requests.length, 0)
    await advance('2m')
    await idle()
    assert.equal(to.to('/queued').length, 1)
    await client.queue({ queueName: 'js-scheduled' }).delete()
  })
})
