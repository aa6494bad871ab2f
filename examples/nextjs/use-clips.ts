// A project's clips as they land: `const { job, error } = useClips(projectId)` in a client component.
'use client'
import { useEffect, useState } from 'react'

export interface Clip {
  id: string
  title: string
  url: string | null
  status: 'pending' | 'exporting' | 'storing' | 'stored' | 'failed'
}

export interface Job {
  jobId: string
  status: 'queued' | 'processing' | 'completed' | 'failed' | 'cancelled'
  stage: string
  progress: number
  error: string | null
  clips: Clip[]
  /** When it is worth looking again; null when the job has ended. */
  nextUpdateAt: string | null
}

/** Never more often than this, and never more rarely, in milliseconds. */
const SOONEST = 2_000
const LATEST = 30_000

export function useClips(projectId: string): { job: Job | null; error: string | null } {
  const [job, setJob] = useState<Job | null>(null)
  const [error, setError] = useState<string | null>(null)

  useEffect(() => {
    const gone = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    let tag: string | null = null
    let next: string | null = null

    async function look(): Promise<void> {
      try {
        const headers: HeadersInit = tag === null ? {} : { 'if-none-match': tag }
        const answer = await fetch(`/api/clips?projectId=${encodeURIComponent(projectId)}`, { headers, signal: gone.signal })
        if (answer.status === 200) {
          const told = (await answer.json()) as Job
          tag = answer.headers.get('etag')
          next = told.nextUpdateAt
          setJob(told)
          setError(null)
          if (next === null) return
        } else if (answer.status !== 304) {
          const problem = (await answer.json().catch(() => ({}))) as { error?: string }
          setError(problem.error ?? `The service answered ${answer.status}`)
          if (answer.status === 404) return
        }
      } catch (failure) {
        if (gone.signal.aborted) return
        setError(String(failure))
      }
      const due = next === null ? 0 : Date.parse(next) - Date.now()
      timer = setTimeout(() => void look(), Math.min(Math.max(due, SOONEST), LATEST))
    }

    void look()
    return () => {
      gone.abort()
      clearTimeout(timer)
    }
  }, [projectId])

  return { job, error }
}
