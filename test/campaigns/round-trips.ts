// The clients of hostile-unauthenticated.campaign.ts that are logged in, and measure how long they wait for
// an answer.
import { Client } from '../../bench/driver/client.js'
import { maskedTextFrame } from '../../bench/driver/frame-ring.js'
import { answerBy } from './child-program.js'

const request = maskedTextFrame(JSON.stringify({ id: 2, type: 'store.get', bucket: 'items', key: 'kept' }))

/** Milliseconds since the last call of `figures`. */
let latencies: number[] = []
let failures = 0

answerBy({
  /** Logs a client in with each token; each asks again `pauseMs` after every answer. */
  async begin ({ port, tokens, pauseMs }: { port: number, tokens: readonly string[], pauseMs: number }) {
    for (const token of tokens) {
      const client = await Client.open(port)
      await new Promise<void>(resolve => {
        client.onMessage = () => { resolve() }
        client.send(maskedTextFrame(JSON.stringify({ id: 1, type: 'auth.login', token })))
      })
      let askedAt = 0
      const ask = (): void => {
        askedAt = performance.now()
        client.send(request)
      }
      client.onMessage = (bytes, start, end) => {
        latencies.push(performance.now() - askedAt)
        if (!bytes.toString('latin1', start, end).includes('"type":"result"')) failures++
        setTimeout(ask, pauseMs)
      }
      ask()
    }
  },
  figures () {
    const sorted = Float64Array.from(latencies).sort()
    const at = (share: number): number =>
      Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN).toFixed(1))
    const figures = { count: sorted.length, failures, p50: at(0.5), p99: at(0.99), max: at(1) }
    latencies = []
    failures = 0
    return figures
  }
})
