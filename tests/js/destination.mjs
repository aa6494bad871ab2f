// Where messages are sent: a server that keeps what it gets and answers by script.
import { createServer } from 'node:http'

/** Longer than anything takes on a busy machine. */
const PATIENCE_MS = 30_000

/** A server that keeps its requests. `answers` is asked for each: a status, or `{status, headers, body}`; without one, 200. */
export class Destination {
  requests = []
  #waiting = []

  async open(answers = () => 200) {
    this.answers = answers
    this.server = createServer(async (request, response) => {
      const chunks = []
      for await (const chunk of request) chunks.push(chunk)
      const kept = {
        method: request.method,
        path: request.url,
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
        url: `http://${request.headers.host}${request.url}`,
      }
      const answer = await this.answers(kept, this.to(kept.path).length)
      const { status, headers = {}, body = '' } = typeof answer === 'number' ? { status: answer } : answer
      // Known before it is answered: once the broker is idle, all is here.
      this.requests.push(kept)
      response.writeHead(status, headers).end(body)
      for (const look of this.#waiting) look()
    })
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    this.base = `http://127.0.0.1:${this.server.address().port}`
    return this
  }

  to(path) {
    return this.requests.filter((request) => request.path === path)
  }

  /** The nth request to a path, once it has come. */
  async nth(path, n = 1) {
    return this.until(`request ${n} to ${path}`, () => this.to(path)[n - 1])
  }

  async until(what, look) {
    return new Promise((resolve, reject) => {
      const done = (settle, value) => {
        clearTimeout(timer)
        this.#waiting = this.#waiting.filter((other) => other !== again)
        settle(value)
      }
      const came = () => this.requests.map((request) => `${request.method} ${request.path}`).join('\n')
      const timer = setTimeout(() => done(reject, new Error(`${what} never came, but\n${came()}`)), PATIENCE_MS)
      const again = () => {
        const found = look()
        if (found) done(resolve, found)
      }
      this.#waiting.push(again)
      again()
    })
  }

  async close() {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }
}
