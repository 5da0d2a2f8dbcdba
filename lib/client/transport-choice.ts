import { IMPOSSIBLE, isFinalClose, LOST } from './ending.js'
import type { Environment } from './environment.js'
import type { OpenTransport, Transport } from './transport.js'

/** Time on another way than the first after which that is tried again, in milliseconds. */
const PROBE_MS = 600_000

/** The message after which a client leaves when all its requests are answered, and comes back at once. */
const leave = '{"type":"system","event":"shutdown","gracePeriodMs":0,"reconnectAfterMs":0}'

/**
 * Opens the first of several transports over which a server answers. It begins with the one that worked last, and
 * goes on with the next where one closes before its first message, or that does not come within `timeoutMs`.
 * While another than the first is in use, the first is tried beside it now and then; when a server answers there,
 * the client is asked to leave, and comes back over that.
 */
export class TransportChoice {
  readonly ways: readonly OpenTransport[]
  readonly #timeoutMs: number
  readonly #environment: Environment
  #best = 0

  constructor (ways: readonly OpenTransport[], timeoutMs: number, environment: Environment) {
    this.ways = ways
    this.#timeoutMs = timeoutMs
    this.#environment = environment
  }

  /** Begins with the first again: the network may be another one. */
  reset (): void {
    this.#best = 0
  }

  readonly open: OpenTransport = listener => {
    let isOver = false
    let cancel = (): void => {}
    let current!: Transport
    let ending: readonly [code: number, reason: string] = [IMPOSSIBLE, '']
    let problems: string[] = []

    const attempt = (index: number, left: number): void => {
      let hasAnswered = false
      const onClose = (code: number, reason: string, problem?: string): void => {
        if (isOver) return
        cancel()
        if (problem !== undefined) problems.push(problem)
        // One that cannot be tried says nothing about the others.
        if (code !== IMPOSSIBLE) ending = [code, reason]
        if (!hasAnswered && left > 0 && (code === IMPOSSIBLE || !isFinalClose(code, reason))) {
          return attempt((index + 1) % this.ways.length, left - 1)
        }
        isOver = true
        listener.onClose(...ending, problems.join('; ') || undefined)
      }
      const transport = current = (this.ways[index] as OpenTransport)({
        onMessage: text => {
          if (isOver) return
          if (!hasAnswered) {
            hasAnswered = true
            problems = []
            cancel()
            this.#best = index
            if (index > 0) cancel = this.#probe(() => { listener.onMessage(leave) })
          }
          listener.onMessage(text)
        },
        onClose
      })
      cancel = this.#environment.after(this.#timeoutMs, () => {
        transport.close()
        onClose(LOST, '', `no welcome within ${this.#timeoutMs} ms`)
      })
    }

    attempt(this.#best, this.ways.length - 1)
    return {
      get kind () { return current.kind },
      send: text => { current.send(text) },
      close: (code, reason) => {
        isOver = true
        cancel()
        current.close(code, reason)
      }
    }
  }

  /** Tries the first way now and then, until a server answers there. Returns the function that ends that. */
  #probe (onAnswer: () => void): () => void {
    const { after } = this.#environment
    let cancel!: () => void
    let trial: Transport | undefined
    const stop = (): void => {
      cancel()
      trial?.close()
    }
    const wait = (): void => {
      trial?.close()
      cancel = after(PROBE_MS, () => {
        trial = this.ways[0]?.({
          onMessage: () => {
            stop()
            this.#best = 0
            onAnswer()
          },
          onClose: () => {
            cancel()
            wait()
          }
        })
        cancel = after(this.#timeoutMs, wait)
      })
    }
    wait()
    return stop
  }
}
