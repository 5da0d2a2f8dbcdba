import { IMPOSSIBLE, isFinalClose, LOST } from './ending.js'
import type { Environment } from './environment.js'
import { none } from './observable.js'
import type { OpenTransport, Transport, TransportListener } from './transport.js'

/** Time on another way than the first after which that is tried again, in milliseconds. */
const PROBE_MS = 600_000

/** The message after which a client leaves when all its requests are answered, and comes back at once. */
const leave = '{"type":"system","event":"shutdown"}'

/** A choice of several transports. */
export interface TransportChoice {
  readonly open: OpenTransport
  /** Begins with the first again: the network may be another one. */
  readonly reset: () => void
}

/**
 * Opens the first of several transports over which a server answers. It begins with the one that worked last,
 * and goes on with the next where one closes before its first message, or that does not come within `timeoutMs`.
 * While another than the first is in use, the first is tried beside it now and then; when a server answers
 * there, the client is asked to leave, and comes back over that.
 */
export function chooseTransport (
  ways: readonly OpenTransport[], timeoutMs: number, { after }: Environment
): TransportChoice {
  let best = 0

  const open: OpenTransport = listener => {
    let isOver = false
    let cancel = none
    let current!: Transport
    let ending: [code: number, reason: string] = [IMPOSSIBLE, '']
    let problems: string[] = []

    const attempt = (index: number, left: number): void => {
      const onClose: TransportListener['onClose'] = (code, reason, problem) => {
        if (isOver) return
        cancel()
        if (problem !== undefined) problems.push(problem)
        // One that cannot be tried says nothing about the others.
        if (code !== IMPOSSIBLE) ending = [code, reason]
        if (left > 0 && (code === IMPOSSIBLE || !isFinalClose(code, reason))) {
          return attempt((index + 1) % ways.length, left - 1)
        }
        isOver = true
        listener.onClose(...ending, problems.join('; ') || undefined)
      }
      const transport = current = (ways[index] as OpenTransport)({
        onMessage: text => {
          if (isOver) return
          if (left >= 0) {
            left = -1
            problems = []
            best = index
            cancel()
            if (index > 0) cancel = probe(() => { listener.onMessage(leave) })
          }
          listener.onMessage(text)
        },
        onClose
      })
      cancel = after(timeoutMs, () => {
        transport.close()
        onClose(LOST, '', `no welcome within ${timeoutMs} ms`)
      })
    }

    attempt(best, ways.length - 1)
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
  const probe = (onAnswer: () => void): (() => void) => {
    let trial: Transport | undefined
    let cancel = none
    const stop = (): void => {
      cancel()
      trial?.close()
    }
    const wait = (): void => {
      stop()
      cancel = after(PROBE_MS, () => {
        trial = ways[0]?.({
          onMessage: () => {
            stop()
            best = 0
            onAnswer()
          },
          onClose: wait
        })
        cancel = after(timeoutMs, wait)
      })
    }
    wait()
    return stop
  }

  return { open, reset: () => { best = 0 } }
}
