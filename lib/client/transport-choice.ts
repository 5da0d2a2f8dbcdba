import { isFinalClose } from './ending.js'
import type { Environment } from './environment.js'
import { none } from './report.js'
import { IMPOSSIBLE, LOST, type OpenTransport, type Transport, type TransportListener } from './transport.js'

/** Time for which another way than the first is remembered as the one to begin with, in milliseconds. */
const MEMORY_MS = 600_000

/** A choice of several transports. */
export interface TransportChoice {
  readonly open: OpenTransport
  /** Begins with the first again: the network may be another one. */
  readonly reset: () => void
}

/**
 * Opens the first of several transports over which a server answers. It begins with the first, or for ten
 * minutes with the one that has worked, and goes on with the next where one closes before its first message,
 * or that does not come within `timeoutMs`.
 */
export function chooseTransport (
  ways: readonly OpenTransport[], timeoutMs: number, { after, now }: Environment
): TransportChoice {
  let best = 0
  let bestUntil = 0

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
        if (problem) problems.push(problem)
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
            bestUntil = now() + MEMORY_MS
            cancel()
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

    attempt(now() < bestUntil ? best : 0, ways.length - 1)
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

  return { open, reset: () => { bestUntil = 0 } }
}
