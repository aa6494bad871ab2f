// Workflows while the broker makes attempts twice, late and overtaken, and loses answers: every run comes to its end, with
// each result taken over once. A step itself may run more than once, as the library says too. Run by tests/it/sdk.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Client } from '@upstash/workflow'
import { Application } from './application.mjs'
import { destination, idle, settings } from './support.mjs'

const application = new Application()
const stranger = destination()
const client = new Client({ baseUrl: settings.url, token: settings.token, retry: false })
before(() => application.open())
after(() => application.close())

test('all runs end as they should', async () => {
  stranger.answers = () => ({ status: 200, headers: { 'content-type': 'application/json' }, body: '20' })
  const ends = new Map()
  const { url } = application.add('/run', async (context) => {
    const n = await context.run('first', () => context.requestPayload.n)
    await context.sleep('an hour', 3600)
    const [one, called, three] = await Promise.all([
      context.run('one', () => n + 1),
      context.call('call', { url: `${stranger.base}/call`, method: 'POST', retries: 3 }),
      context.run('three', () => 300),
    ])
    await context.run('last', () => ends.set(n, one + called.body + three))
  }, { verbose: false })
  const numbers = Array.from({ length: 20 }, (_, n) => n)
  // Of attempts that are lost often enough, the last retry may be: with five that is one in a hundred thousand.
  await client.trigger(numbers.map((n) => ({ url, body: { n }, workflowRunId: `${n}`, retries: 5 })))
  await idle()
  assert.deepEqual([...ends].sort(([a], [b]) => a - b), numbers.map((n) => [n, n + 1 + 20 + 300]))
})
