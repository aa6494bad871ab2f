// QSTASH_DEV=true and nothing else told: no address, no token, no keys. The SDK then asks a fixed port for the vendor's local
// server, and would download and start one if nobody answered as that does. Run by tests/it/sdk.
import assert from 'node:assert/strict'
import childProcess from 'node:child_process'
import https from 'node:https'
import { syncBuiltinESMExports } from 'node:module'
import { test } from 'node:test'

const forbidden = (what) => () => {
  forbidden.tried = what
  throw new Error(`the SDK tried to ${what}`)
}
childProcess.spawn = forbidden('start a server')
https.get = https.request = forbidden('download')
syncBuiltinESMExports()

const { Client, Receiver, startDevServer } = await import('@upstash/qstash')
const { Destination } = await import('./destination.mjs')

test('ours is taken for the vendor’s', async () => {
  const told = Object.keys(process.env).filter((name) => name.includes('QSTASH_'))
  assert.deepEqual(told.filter((name) => name !== 'QSTASH_DEV_PORT'), ['QSTASH_DEV'])
  const to = await new Destination().open()
  try {
    await startDevServer()
    const { messageId } = await new Client().publishJSON({ url: `${to.base}/dev`, body: { dev: true } })
    const push = await to.nth('/dev')
    assert.equal(push.headers['upstash-message-id'], messageId)
    assert.ok(await new Receiver().verify({ signature: push.headers['upstash-signature'], body: push.body, url: push.url }))
    assert.equal(forbidden.tried, undefined)
  } finally {
    await to.close()
  }
})
