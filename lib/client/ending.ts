import { NoexClientError } from './errors.js'
import { IMPOSSIBLE, type OpenTransport } from './transport.js'

/** Why a connection has ended. */
export interface Ending {
  /** Absent where that is as it should be. */
  readonly error?: NoexClientError | undefined
  /** Whether the next one would end in the same way. */
  readonly isFinal?: boolean
  /** Time that the server asks for before the next one, in milliseconds. */
  readonly afterMs?: number | undefined
}

/** Close codes after which coming back is of no use. PROTOCOL.md, "Close codes". */
const finalCodes = [IMPOSSIBLE, 1002, 1003, 1007, 1009, 4002, 4003]

/** Advice after the end of a session. */
export const LOG_IN = 'log in anew, then call reconnect()'

/** Longest delay that a server can ask for, in milliseconds. */
const MAX_DELAY_MS = 600_000

/** Whether a client that was closed in this way should not come back. */
export function isFinalClose (code: number, reason: string): boolean {
  return finalCodes.includes(code) || (code === 1008 && reason !== 'login_timeout')
}

/** Adds to the end of a transport, where it is final, what to do about it. The texts are loaded then. */
export function withRemedies (open: OpenTransport): OpenTransport {
  return ({ onMessage, onClose }) => open({
    onMessage,
    onClose: (code, reason, problem) => {
      if (code === IMPOSSIBLE || !isFinalClose(code, reason)) return onClose(code, reason, problem)
      import('./remedies.js').then(
        ({ remedyOf }) => { onClose(code, reason, remedyOf(code, reason, problem)) },
        // The service may have other files by now.
        () => { onClose(code, reason, problem) }
      )
    }
  })
}

/** Whether after an error the user may not see any more what was shown. */
export function hidesData ({ code }: NoexClientError): boolean {
  return /^(forbidden|unauthorized|session_|logged_out|other_user)/i.test(code)
}

/** Returns the ending of a session, with the code of its error. */
export function endingOfSession (code: string, why: string): Ending {
  return { isFinal: true, error: new NoexClientError(code, `${why}: ${LOG_IN}`) }
}

/** Returns the ending of a transport to `place` that has closed by itself. */
export function endingOfClose (place: string, code: number, reason: string, problem?: string): Ending {
  const why = `${place}: ${problem ?? `closed with ${code} ${reason}`}`
  if (code === 4002 || reason === 'session_ended') {
    const isKnown = /^(logged_out|other_user|session_ended)$/.test(reason)
    return endingOfSession(isKnown ? reason.toUpperCase() : 'SESSION_REVOKED', why)
  }
  const isFinal = isFinalClose(code, reason)
  const advice = isFinal ? 'remedy that, then call reconnect()' : 'check URL, server, certificate, proxies'
  return { isFinal, error: new NoexClientError(isFinal ? 'REFUSED' : 'DISCONNECTED', `${why}: ${advice}`) }
}

/** Returns a delay that a server asks for, in milliseconds; 0 where it is none. */
export function delayOf (asked: unknown): number {
  return Math.min(Math.max(Number(asked) || 0, 0), MAX_DELAY_MS)
}
