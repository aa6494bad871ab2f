// The official workflow library on our broker: its endpoint, its client, and what runs between them. The broker's time jumps
// to whatever is due next, so that sleeping costs nothing. Run by tests/it/sdk.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Client, WorkflowNonRetryableError, WorkflowRetryAfterError } from '@upstash/workflow'
import { Application } from './application.mjs'
import { client as qstashClient, advance, destination, idle, settings } from './support.mjs'

const HOUR = 3_600_000

describe('a workflow', () => {
  const application = new Application()
  const stranger = destination()
  const client = new Client({ baseUrl: settings.url, token: settings.token, retry: false })
  before(() => application.open())
  after(() => application.close())
  after(() => qstashClient.dlq.delete({ all: true }))

  const now = async () => (await advance('0s')).now

  test('goes on from step to step, each with the results of all before', async () => {
    const did = []
    const { url, requests } = application.add('/steps', async (context) => {
      const one = await context.run('one', () => (did.push('one'), { n: context.requestPayload.n + 1 }))
      const two = await context.run('two', async () => (did.push('two'), one.n * 10))
      await context.run('three', () => did.push(['three', two, context.headers.get('x-mine'), context.workflowRunId]))
    })
    const { workflowRunId } = await client.trigger({ url, body: { n: 1 }, headers: { 'x-mine': 'forwarded' }, workflowRunId: 'steps', label: 'js-workflow' })
    assert.equal(workflowRunId, 'wfr_steps')
    await idle()
    assert.deepEqual(did, ['one', 'two', ['three', 20, 'forwarded', 'wfr_steps']])
    assert.equal(requests.length, 4)
    assert.ok(requests.every((headers) => Number(headers['upstash-workflow-createdat']) > 0))
  })

  test('begins by a plain request to its address, too', async () => {
    const did = []
    const { url } = application.add('/plain', async (context) => {
      await context.run('only', () => did.push(context.requestPayload))
    }, { receiver: undefined })
    const answer = await fetch(url, { method: 'POST', body: 'plain' })
    assert.equal(answer.status, 200)
    await idle()
    assert.deepEqual(did, ['plain'])
  })

  test('sleeps, for a time and until one', async () => {
    const started = await now()
    const woke = []
    const { url } = application.add('/sleeps', async (context) => {
      await context.sleep('a day', '1d')
      await context.run('after a day', async () => woke.push(await now()))
      await context.sleepUntil('two days', (started + 48 * HOUR) / 1000)
      await context.run('after two', async () => woke.push(await now()))
    })
    await client.trigger({ url })
    await idle()
    assert.equal(woke.length, 2)
    assert.ok(woke[0] >= started + 24 * HOUR && woke[0] < started + 25 * HOUR)
    assert.ok(woke[1] >= started + 48 * HOUR - 1000 && woke[1] < started + 49 * HOUR)
  })

  test('calls a stranger, who hears nothing of it', async () => {
    stranger.answers = (request) => request.path === '/refuses'
      ? { status: 403, body: 'no' }
      : { status: 201, headers: { 'content-type': 'application/json', 'x-theirs': 'h' }, body: '{"theirs":"ü"}' }
    const results = []
    const { url } = application.add('/calls', async (context) => {
      const taken = await context.call('taken', { url: `${stranger.base}/takes`, method: 'PUT', body: { mine: 1 }, headers: { 'x-mine': 'h' } })
      const refused = await context.call('refused', { url: `${stranger.base}/refuses`, method: 'GET' })
      await context.run('keep', () => results.push(taken, refused))
    })
    await client.trigger({ url, headers: { 'x-ours': 'secret' } })
    await idle()
    const [taken, refused] = results
    assert.deepEqual([taken.status, taken.body, taken.header['X-Theirs']], [201, { theirs: 'ü' }, ['h']])
    assert.deepEqual([refused.status, refused.body], [403, 'no'])
    const [push] = stranger.to('/takes')
    assert.deepEqual([push.method, push.body, push.headers['x-mine'], push.headers['x-ours']], ['PUT', '{"mine":1}', 'h', undefined])
    assert.deepEqual(Object.keys(push.headers).filter((name) => name.includes('workflow')), [])
  })

  test('does things side by side, and goes on when all are done', async () => {
    stranger.answers = () => ({ status: 200, headers: { 'content-type': 'text/plain' }, body: 'called' })
    const did = []
    const { url } = application.add('/parallel', async (context) => {
      const [one, two, , called] = await Promise.all([
        context.run('one', () => (did.push('one'), 1)),
        context.run('two', () => (did.push('two'), 2)),
        context.sleep('an hour', 3600),
        context.call('call', { url: `${stranger.base}/side`, method: 'POST' }),
      ])
      const again = await Promise.all([context.run('three', () => one + two), context.run('four', () => called.body)])
      await context.run('last', () => did.push(again))
    })
    const started = await now()
    await client.trigger({ url })
    await idle()
    assert.deepEqual([did.slice(0, 2).sort(), did.slice(2)], [['one', 'two'], [[3, 'called']]])
    assert.ok((await now()) >= started + HOUR)
  })

  test('tries a step again, and tells its failure function when that is over', async () => {
    const failed = []
    let attempts = 0
    const { url } = application.add('/fails', async (context) => {
      await context.run('well', () => 'well')
      await context.run('badly', () => {
        attempts += 1
        throw new Error('badly')
      })
    }, { failureFunction: async ({ context, failStatus, failResponse }) => failed.push([context.requestPayload, context.workflowRunId, failStatus, failResponse, context.headers.get('x-mine')]) })
    await client.trigger({ url, body: { given: true }, workflowRunId: 'fails', retries: 2, retryDelay: '60000', headers: { 'x-mine': 'forwarded' } })
    await idle()
    assert.equal(attempts, 3)
    assert.deepEqual(failed, [[{ given: true }, 'wfr_fails', 500, 'badly', 'forwarded']])
    const { messages } = await qstashClient.dlq.listMessages({ filter: { url } })
    assert.equal(messages.length, 1)
  })

  test('fails at once, or later, if it says so', async () => {
    const failed = []
    let [never, later] = [0, 0]
    const failureFunction = async ({ failStatus }) => failed.push(failStatus)
    const fatal = application.add('/fatal', async (context) => {
      await context.run('never', () => {
        never += 1
        throw new WorkflowNonRetryableError('never')
      })
    }, { failureFunction })
    const patient = application.add('/patient', async (context) => {
      await context.run('later', () => {
        later += 1
        if (later === 1) throw new WorkflowRetryAfterError('later', '2h')
      })
    }, { failureFunction })
    const started = await now()
    await client.trigger([{ url: fatal.url }, { url: patient.url }])
    await idle()
    assert.deepEqual([never, later, failed], [1, 2, [489]])
    assert.ok((await now()) >= started + 2 * HOUR)
  })

  test('is started once under one id', async () => {
    let ran = 0
    const { url } = application.add('/once', async (context) => {
      await context.sleep('a minute', 60)
      await context.run('count', () => (ran += 1))
    })
    await client.trigger([{ url, workflowRunId: 'once', delay: 60 }, { url, workflowRunId: 'once' }])
    await idle()
    assert.equal(ran, 1)
  })

  test('is cancelled: by itself, by its client', async () => {
    const did = []
    const itself = application.add('/cancels', async (context) => {
      await context.run('before', () => did.push('before'))
      await context.cancel()
    })
    await client.trigger({ url: itself.url })
    await idle()
    const { url } = application.add('/cancelled', async (context) => {
      await context.run('cancel', () => (did.push('cancel'), client.cancel(context.workflowRunId)))
      await context.run('never', () => did.push('never'))
    })
    await client.trigger({ url })
    await idle()
    assert.deepEqual(did, ['before', 'cancel'])
    assert.deepEqual(await client.cancel({ all: true }), { cancelled: 0 })
    assert.deepEqual((await qstashClient.dlq.listMessages({ filter: { url } })).messages, [])
  })

  // What the broker does not have is refused, not half done. See infra/workflow.md.
  test('what is missing is said', async () => {
    const missing = { status: 404 }
    await assert.rejects(client.notify({ eventId: 'event' }), missing)
    await assert.rejects(client.getWaiters({ eventId: 'event' }), missing)
    await assert.rejects(client.logs(), missing)
    await assert.rejects(client.dlq.resume('1-1'), missing)
    await assert.rejects(client.dlq.restart('1-1'), missing)
    await assert.rejects(client.dlq.delete('1-1'), missing)
    await assert.rejects(client.dlq.retryFailureFunction({ dlqId: '1-1' }), missing)
  })
  test('a run that needs what is missing fails, and tells so', async () => {
    const failed = []
    const failureFunction = async ({ failStatus, failResponse }) => failed.push([failStatus, failResponse])
    const waits = application.add('/waits', async (context) => void (await context.waitForEvent('wait', 'event', { timeout: '1h' })), { failureFunction })
    const invokes = application.add('/invokes', async (context) => {
      await context.invoke('invoke', { workflow: { workflowId: 'steps', routeFunction: async () => {}, options: {} }, body: {} })
    }, { failureFunction })
    await client.trigger({ url: waits.url, retries: 0 })
    await idle()
    await client.trigger({ url: invokes.url })
    await idle()
    assert.deepEqual(failed.map(([status]) => status), [500, 489])
    assert.match(failed[1][1], /cannot invoke/)
  })
})
