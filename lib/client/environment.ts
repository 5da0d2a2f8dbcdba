/** The surroundings of a client: time, and news of the network. Tests bring others. */
export interface Environment {
  /** Returns the time of a clock that is never set, in milliseconds. */
  readonly now: () => number
  /** Calls `run` after a delay; never after one of more than `MAX_DELAY_MS`. Returns what prevents that. */
  readonly after: (delayMs: number, run: () => void) => () => void
  /**
   * Calls `onWake` when the network is back or the page is seen again, and `onOffline` when there is no
   * network. Returns the function that ends that.
   */
  readonly watch: (onWake: () => void, onOffline: () => void) => () => void
}

/** The part of `window` and `document` that the client uses. */
interface EventSource {
  readonly addEventListener?: (type: string, listener: () => void, options: { signal: AbortSignal }) => void
}

const globals = globalThis as EventSource & {
  readonly document?: EventSource & { readonly visibilityState?: string }
  readonly navigator?: { readonly onLine?: boolean }
  readonly performance?: { readonly now: () => number }
}

/** Longest delay of a timer, in milliseconds: a longer one would end at once. */
export const MAX_DELAY_MS = 2 ** 31 - 1

/** The real surroundings, in a page or elsewhere. */
export const environment: Environment = {
  now: () => (globals.performance ?? Date).now(),
  after: (delayMs, run) => {
    const timer = delayMs <= MAX_DELAY_MS ? setTimeout(run, delayMs) : undefined
    return () => { clearTimeout(timer) }
  },
  watch: (onWake, onOffline) => {
    const { document, navigator } = globals
    const controller = new AbortController()
    const listen = (source: EventSource | undefined, type: string, listener: () => void): void => {
      source?.addEventListener?.(type, listener, controller)
    }
    listen(globals, 'online', onWake)
    listen(globals, 'offline', onOffline)
    listen(document, 'visibilitychange', () => {
      if (document?.visibilityState === 'visible' && navigator?.onLine !== false) onWake()
    })
    return () => { controller.abort() }
  }
}

/** Returns 128 random bits as text. In React Native this needs a polyfill of `crypto.getRandomValues`. */
export function randomKey (): string {
  return crypto.getRandomValues(new Uint32Array(4)).join('-')
}
