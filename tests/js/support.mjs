// What the tests stand on: the broker they are pointed at, and which methods of an SDK were called. Nothing here waits by the
// clock: time is moved on, and `idle` answers when everything is done.
import assert from 'node:assert/strict'
import { after, before, beforeEach } from 'node:test'
import { Client, Receiver } from '@upstash/qstash'
import { Destination } from './destination.mjs'

export const settings = {
  url: process.env.QSTASH_URL,
  token: process.env.QSTASH_TOKEN,
  current: process.env.QSTASH_CURRENT_SIGNING_KEY,
  next: process.env.QSTASH_NEXT_SIGNING_KEY,
}
for (const [name, value] of Object.entries(settings)) assert.ok(value, `the broker's ${name} is not told`)

export const client = new Client({ baseUrl: settings.url, token: settings.token, retry: false })

async function broker(method, path) {
  const answer = await fetch(`${settings.url}/_broker/${path}`, {
    method,
    headers: { authorization: `Bearer ${settings.token}` },
  })
  assert.equal(answer.status, 200, `${path}: ${await answer.clone().text()}`)
  return answer.json()
}

/** Until no message waits or is on its way. */
export const idle = () => broker('GET', 'idle?timeout=25s')
/** Moves the broker's time on. */
export const advance = (by) => broker('POST', by === undefined ? 'advance' : `advance?by=${by}`)

/** A destination for the tests of one file, emptied before each. */
export function destination() {
  const server = new Destination()
  before(() => server.open())
  beforeEach(() => {
    server.requests = []
    server.answers = () => 200
  })
  after(() => server.close())
  return server
}

/** Fails unless the push is signed for this body and address, as the official receiver judges. */
export async function verify(push, receiver = new Receiver({ currentSigningKey: settings.current, nextSigningKey: settings.next })) {
  const signature = push.headers['upstash-signature']
  assert.ok(await receiver.verify({ signature, body: push.body, url: push.url }))
}

/** Which methods of the given classes were called and came to a good end. */
export function watch(classes) {
  const called = new Set()
  const all = new Set()
  for (const one of classes) {
    const kind = one.prototype
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(kind))) {
      if (name === 'constructor') continue
      const told = `${one.name.replace(/^_/, '')}.${name}`
      all.add(told)
      const kept = property.value ? 'value' : 'get'
      const original = property[kept]
      Object.defineProperty(kind, name, {
        ...property,
        [kept](...given) {
          const answer = original.apply(this, given)
          const note = () => called.add(told)
          if (answer instanceof Promise) answer.then(note, () => {})
          else note()
          return answer
        },
      })
    }
  }
  return { missed: (excused = []) => [...all].filter((name) => !called.has(name) && !excused.includes(name)).sort() }
}
