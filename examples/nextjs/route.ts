// app/api/clips/route.ts: hands in and looks up jobs for users who are logged in. The API key stays on the server.
// Route handlers take and give the web's own Request and Response, so nothing is imported.

/** Who asks, and whether the project is theirs: yours to write. `null` refuses. */
declare function ownProject(request: Request, projectId: string): Promise<{ videoUrl: string } | null>

function service(path: string, init: RequestInit = {}): Promise<Response> {
  const { CLIPRELAY_URL, CLIPRELAY_API_KEY } = process.env
  if (!CLIPRELAY_URL || !CLIPRELAY_API_KEY) throw new Error('CLIPRELAY_URL and CLIPRELAY_API_KEY must be set')
  const headers = { 'content-type': 'application/json', ...init.headers, authorization: `Bearer ${CLIPRELAY_API_KEY}` }
  return fetch(new URL(path, CLIPRELAY_URL), { ...init, headers, cache: 'no-store' })
}

/** The service's answer as it is: its problems are written for people. */
function passedOn(answer: Response): Response {
  const headers = new Headers()
  for (const name of ['content-type', 'etag', 'retry-after']) {
    const value = answer.headers.get(name)
    if (value !== null) headers.set(name, value)
  }
  return new Response(answer.body, { status: answer.status, headers })
}

const notFound = () => Response.json({ error: 'Project not found' }, { status: 404 })

export async function POST(request: Request): Promise<Response> {
  const { projectId } = (await request.json()) as { projectId: string }
  const project = await ownProject(request, projectId)
  if (!project) return notFound()
  const body = JSON.stringify({ projectId, videoUrl: project.videoUrl })
  return passedOn(await service('/api/process-klap', { method: 'POST', body }))
}

export async function GET(request: Request): Promise<Response> {
  const projectId = new URL(request.url).searchParams.get('projectId') ?? ''
  if (!(await ownProject(request, projectId))) return notFound()
  const seen = request.headers.get('if-none-match')
  const headers: HeadersInit = seen === null ? {} : { 'if-none-match': seen }
  return passedOn(await service(`/api/process-klap?projectId=${encodeURIComponent(projectId)}`, { headers }))
}
