// The official QStash SDK for JavaScript as a client of our broker and as a receiver of its pushes: every call it has.
// Run by tests/it/sdk, which starts the broker and tells its address and keys in the environment.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client, Receiver } from '@upstash/qstash'
import { client, watch } from './support.mjs'

// Before anything is called.
const parts = [client.messages, client.dlq, client.schedules, client.urlGroups, client.flowControl, client.workflow, client.queue()]
const watched = watch([Client, Receiver, ...parts.map((part) => part.constructor)])

await import('./qstash/publishing.mjs')
await import('./qstash/failing.mjs')
await import('./qstash/listing.mjs')
await import('./qstash/queues.mjs')
await import('./qstash/schedules.mjs')
await import('./qstash/receiving.mjs')

// An SDK with a new method fails here until somebody has tried it.
test('every method of the SDK was called, and succeeded', () => {
  // Language models at the vendor's own provider are no part of the protocol.
  assert.deepEqual(watched.missed(['Client.chat']), [])
})
