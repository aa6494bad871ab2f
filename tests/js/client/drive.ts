// A frontend's code on the generated client: enqueues, watches, lists, cancels and retries real jobs. Compiled strictly; what
// the description does not say does not compile.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import createClient from 'openapi-fetch'
import type { components, paths } from './cliprelay.js'

type Status = components['schemas']['Status']
type Clip = components['schemas']['Clip']

const told = (name: string): string => {
  const value = process.env[name]
  assert.ok(value, `${name} is not told`)
  return value
}
const baseUrl = told('SERVICE')
const video = told('VIDEO')
const api = createClient<paths>({ baseUrl, headers: { authorization: 'Bearer not-asked-for-here' } })

async function enqueue(projectId: string, videoUrl: string, key: string): Promise<components['schemas']['Enqueued']> {
  const { data, error } = await api.POST('/api/process-klap', {
    params: { header: { 'Idempotency-Key': key } },
    body: { projectId, videoUrl, options: { targetClipCount: 2, targetDuration: 10 } },
  })
  assert.ok(data, error?.detail)
  return data
}

/** Asks until the job has ended; each answer is held until there is something new. */
async function ended(jobId: string): Promise<Status> {
  let tag: string | undefined
  const patience = AbortSignal.timeout(90_000)
  for (let last = 0; ; ) {
    const { data, error, response } = await api.GET('/api/process-klap', {
      params: { query: { jobId, wait: 20 }, header: tag === undefined ? {} : { 'If-None-Match': tag } },
      signal: patience,
    })
    if (response.status === 304) continue
    assert.ok(data, error?.detail)
    assert.ok(data.progress >= last, 'progress went down')
    last = data.progress
    tag = response.headers.get('etag') ?? undefined
    if (data.completedAt !== null) return data
  }
}

test('a job is enqueued, watched to its end, and its clips are there', async () => {
  const first = await enqueue('typed', video, 'key-1')
  assert.equal(first.deduplicated, false)
  assert.equal((await enqueue('typed', video, 'key-1')).jobId, first.jobId)
  const job = await ended(first.jobId)
  assert.equal(job.status, 'completed')
  assert.equal(job.clips.length, 2)
  for (const clip of job.clips satisfies Clip[]) {
    assert.ok(clip.url !== null && clip.size !== null && clip.status === 'stored')
    const file = await fetch(clip.url)
    assert.equal((await file.arrayBuffer()).byteLength, clip.size)
  }
})

test('events come as the type says', async () => {
  const { jobId } = await enqueue('evented', video, 'key-2')
  const { data, error } = await api.GET('/api/process-klap/events', {
    params: { query: { jobId } },
    parseAs: 'text',
    signal: AbortSignal.timeout(90_000),
  })
  assert.ok(data, error?.detail)
  const events = data.split('\n').filter((line) => line.startsWith('data: ')).map((line): Status => JSON.parse(line.slice(6)))
  assert.equal(events.at(-1)?.status, 'completed')
})

test('jobs are listed, the newest first, page by page', async () => {
  const older = await enqueue('listed-1', video, 'key-list-1')
  const newer = await enqueue('listed-2', video, 'key-list-2')
  const first = await api.GET('/api/jobs', { params: { query: { limit: 1 } } })
  assert.deepEqual(first.data?.jobs.map((job) => job.jobId), [newer.jobId])
  assert.ok(first.data?.nextCursor)
  const second = await api.GET('/api/jobs', { params: { query: { limit: 1, cursor: first.data.nextCursor } } })
  assert.deepEqual(second.data?.jobs.map((job) => job.jobId), [older.jobId])
})

test('a job is cancelled for good', async () => {
  const { jobId } = await enqueue('dropped', video, 'key-3')
  const { data } = await api.DELETE('/api/process-klap', { params: { query: { jobId } } })
  assert.equal(data?.status, 'cancelled')
  const again = await api.DELETE('/api/process-klap', { params: { query: { jobId } } })
  assert.ok(again.error)
  // A code is one of those told.
  const code = again.error.code
  assert.equal(code, 'already_final')
  assert.equal(again.error.jobStatus, 'cancelled')
})

test('a failed job is tried again, and goes on', async () => {
  const fault = { operation: 'create_task', effect: { fail: { code: 'internal', message: 'of all things' } } }
  const planned = await fetch(told('FAULTS'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(fault),
  })
  assert.equal(planned.status, 204)
  const { jobId } = await enqueue('failing', video, 'key-4')
  const failed = await ended(jobId)
  assert.equal(failed.status, 'failed')
  assert.equal(failed.errorDetail?.retryable, true)
  const { data, error } = await api.POST('/api/process-klap/retry', { body: { jobId } })
  assert.equal(data?.jobId, jobId, error?.detail)
  assert.equal((await ended(jobId)).status, 'completed')
  const again = await api.POST('/api/process-klap/retry', { body: { jobId } })
  assert.equal(again.error?.code, 'not_failed')
})

test('what is wrong is told field by field', async () => {
  // @ts-expect-error a project's id is needed
  const { error } = await api.POST('/api/process-klap', { body: { options: { targetClipCount: 1_000 } } })
  assert.ok(error)
  const fields = error.errors?.map((wrong) => wrong.field).sort()
  assert.deepEqual(fields, ['options.targetClipCount', 'projectId'])
  // @ts-expect-error there is no such option
  const options: components['schemas']['Options'] = { targetClips: 1 }
  const other = await api.POST('/api/process-klap', { body: { projectId: 'typo', options } })
  assert.deepEqual(other.error?.errors?.map((wrong) => wrong.field), ['options.targetClips'])
})
