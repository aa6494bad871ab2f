// An application with workflows: the official library's endpoint behind node's own server.
import { createServer } from 'node:http'
import { Receiver } from '@upstash/qstash'
import { serve } from '@upstash/workflow'
import { client as qstashClient, settings } from './support.mjs'

/** Workflows by path, each with the headers of the requests it got. */
export class Application {
  #served = new Map()

  async open() {
    this.server = createServer(async (request, response) => {
      const chunks = []
      for await (const chunk of request) chunks.push(chunk)
      const [handler, requests] = this.#served.get(request.url)
      requests.push(request.headers)
      const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined
      const answer = await handler(new Request(`${this.base}${request.url}`, { method: request.method, headers: request.headers, body }))
      response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text())
    })
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    this.base = `http://127.0.0.1:${this.server.address().port}`
  }

  /** Its address, and the requests it gets. */
  add(path, workflow, options = {}) {
    const receiver = new Receiver({ currentSigningKey: settings.current, nextSigningKey: settings.next })
    const requests = []
    this.#served.set(path, [serve(workflow, { qstashClient, receiver, env: {}, ...options }).handler, requests])
    return { url: `${this.base}${path}`, requests }
  }

  async close() {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }
}
