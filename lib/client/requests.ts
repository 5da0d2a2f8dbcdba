import { checkOptions, jsonOf, MILLISECONDS, mustBe } from './checks.js'
import type { Connection } from './connection.js'
import { bodyOf } from './conversation.js'
import { randomKey, type Environment } from './environment.js'
import { DisconnectedError, NoexClientError, TimeoutError, type Outcome } from './errors.js'
import { callEach, none } from './report.js'
import type { SendRequest } from './optimistic.js'

/** Requests that can wait for a connection. */
const MAX_WAITING = 10_000

/**
 * Time for which a server remembers a key that does not say it, in milliseconds, and the part of that time
 * after the first sending in which a request is repeated, by the server's clock.
 */
const WINDOW_MS = 600_000
const REPEATABLE = 0.9

const kinds = { retry: 'a boolean', signal: 'an AbortSignal (an object)', timeoutMs: MILLISECONDS }

/** Operations of every server that change nothing, and take no key. */
const reads =
  /^store\.(get|all|where|find|count|first|last|paginate|sum|avg|min|max|group|buckets|stats|query|list)/

/** A request that has no answer yet. */
interface Waiting {
  /** The attempt to connect in which it was made. */
  readonly attempt: number
  /** Sends it over the present connection, unless that is done already. */
  readonly send: () => void
  readonly disconnect: (why?: string) => void
}

/**
 * Returns the function that sends the requests of a client, which outlast connections. `defaultMs`: time for
 * a reply where a request has none of its own.
 */
export function createRequests (
  connection: Connection, defaultMs: number, { after }: Environment
): SendRequest {
  const { state } = connection
  /** In the order of their beginning, which is that of their sending. */
  const all = new Set<Waiting>()

  connection.listeners.push({
    onUser: isOther => {
      // They are of the user before. Those that are on their way are so too, and get their answers.
      if (!isOther || connection.isReady) return
      callEach(all, ({ attempt, disconnect }) => {
        if (attempt < connection.attempt) disconnect('another user has logged in')
      })
    },
    onReady: async () => { callEach(all, waiting => { waiting.send() }) }
  })
  state.subscribe(() => {
    if (state.value === 'refused') callEach(all, waiting => { waiting.disconnect() })
  })

  return async (type, members = {}, options = {}, onReply = none) => await new Promise((resolve, reject) => {
    mustBe(`${type}: members`, members, 'an object')
    const { retry = false, signal, timeoutMs = defaultMs } = checkOptions(type, options, kinds)
    if (signal) mustBe(`${type}: signal.addEventListener`, signal.addEventListener, 'a function')
    const { idempotencyKey, ...others }: { idempotencyKey?: unknown } = members
    // Now and not when it is sent: the application may change what it has passed.
    const body = bodyOf(type, others)
    let isRead = reads.test(type)
    const key = idempotencyKey ?? (retry && !isRead ? randomKey() : undefined)
    let keyText = key === undefined ? '' : `"idempotencyKey":${jsonOf('idempotencyKey', key)},`
    let isKeyed = false
    /** Time of the server at the first sending. */
    let sentAt: number | undefined
    /** Present while it is on its way. */
    let giveUp: (() => void) | undefined

    const outcome = (): Outcome => sentAt === undefined ? 'not-done' : 'unknown'

    const settle = (): void => {
      all.delete(waiting)
      giveUp?.()
      cancelTimeout()
      signal?.removeEventListener('abort', onAbort)
    }
    const fail = (error: NoexClientError): void => {
      settle()
      reject(error)
    }
    const disconnect = (why = state.error?.message): void => {
      fail(new DisconnectedError(`${type} has no answer: ${why}`, outcome()))
    }
    const onAbort = (): void => {
      fail(new NoexClientError('ABORTED', `${type} was aborted`, { outcome: outcome() }))
    }

    const send = (): void => {
      if (giveUp) return
      const hasKeys = connection.has('idempotency')
      const now = connection.serverNow()
      const repeatMs = (connection.welcome?.['idempotencyWindowMs'] ?? WINDOW_MS) * REPEATABLE
      if (sentAt !== undefined && !isRead && !(isKeyed && hasKeys && now - sentAt < repeatMs)) {
        return disconnect('it cannot be repeated')
      }
      isKeyed = hasKeys && !!keyText
      sentAt ??= now
      giveUp = connection.send(keyText + body, (data, reply) => {
        settle()
        onReply(reply)
        resolve(data)
      }, error => {
        if (error instanceof DisconnectedError) {
          giveUp = undefined
          if (!retry || !(isRead || isKeyed)) disconnect(error.message)
        } else if (keyText && error.message.startsWith('idempotencyKey: is not taken')) {
          // An operation of the application that only reads.
          isRead = true
          giveUp = undefined
          keyText = ''
          send()
        } else {
          fail(error)
        }
      })
    }

    const cancelTimeout = after(timeoutMs, () => {
      const why = state.error?.message ?? 'none has come'
      fail(new TimeoutError(`${type} has no answer after ${timeoutMs} ms: ${why}`, outcome()))
    })
    signal?.addEventListener('abort', onAbort)
    connection.wake()
    const waiting: Waiting = { attempt: connection.attempt, send, disconnect }
    if (signal?.aborted) onAbort()
    else if (state.value === 'refused') disconnect()
    else if (!connection.isReady && all.size >= MAX_WAITING) disconnect(`${MAX_WAITING} others wait`)
    else {
      all.add(waiting)
      if (connection.isReady) send()
    }
  })
}
