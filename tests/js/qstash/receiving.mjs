// The official receiver against our signatures.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Receiver, SignatureError } from '@upstash/qstash'
import { client, destination, settings, verify } from '../support.mjs'

describe('the receiver', () => {
  const to = destination()
  const keys = (current, next) => new Receiver({ currentSigningKey: current, nextSigningKey: next })

  test('takes what we sign, with either key in its place', async () => {
    await client.publish({ url: `${to.base}/signed`, body: 'signed' })
    const push = await to.nth('/signed')
    await verify(push)
    await verify(push, keys(settings.next, settings.current))
  })

  test('takes an empty body', async () => {
    await client.publish({ url: `${to.base}/empty` })
    const push = await to.nth('/empty')
    assert.equal(push.body, '')
    await verify(push)
  })

  test('refuses another body, another address, another key', async () => {
    await client.publish({ url: `${to.base}/refused`, body: 'mine' })
    const push = await to.nth('/refused')
    await assert.rejects(verify({ ...push, body: 'yours' }), SignatureError)
    await assert.rejects(verify({ ...push, url: `${to.base}/other` }), SignatureError)
    await assert.rejects(verify(push, keys(settings.next, settings.next)), SignatureError)
  })
})
