/** The surroundings of a client: time, chance, and news of the network. Tests bring others. */
export interface Environment {
  /** Returns the time of a clock that is never set, in milliseconds. */
  readonly now: () => number
  /** Returns the time of day, epoch milliseconds; it may be wrong by days. */
  readonly date: () => number
  /** Returns a number from 0 to below 1. */
  readonly random: () => number
  /** Calls `run` after a delay of any length. Returns what prevents that. */
  readonly after: (delayMs: number, run: () => void) => () => void
  /**
   * Calls `onWake` when the network is back or the page is seen again, and `onOffline` when there is no network.
   * Returns the function that ends that.
   */
  readonly watch: (onWake: () => void, onOffline: () => void) => () => void
}

/** The part of `window` and `document` that the client uses. */
interface EventSource {
  readonly addEventListener?: (type: string, listener: () => void) => void
  readonly removeEventListener?: (type: string, listener: () => void) => void
}

const globals = globalThis as EventSource & {
  readonly document?: EventSource & { readonly visibilityState?: string }
  readonly navigator?: { readonly onLine?: boolean }
  readonly performance?: { readonly now: () => number }
}

/** Longest delay of a timer: a longer one would end at once. */
const MAX_DELAY_MS = 2 ** 31 - 1

/** The real surroundings, in a page or elsewhere. */
export const environment: Environment = {
  now: () => globals.performance?.now() ?? Date.now(),
  date: Date.now,
  random: Math.random,
  after: (delayMs, run) => {
    let timer: ReturnType<typeof setTimeout>
    const wait = (leftMs: number): void => {
      timer = leftMs > MAX_DELAY_MS
        ? setTimeout(() => { wait(leftMs - MAX_DELAY_MS) }, MAX_DELAY_MS)
        : setTimeout(run, leftMs)
    }
    // An infinite delay needs no timer.
    if (delayMs < Infinity) wait(delayMs)
    return () => { clearTimeout(timer) }
  },
  watch: (onWake, onOffline) => {
    const { document, navigator } = globals
    const onVisible = (): void => {
      if (document?.visibilityState === 'visible' && navigator?.onLine !== false) onWake()
    }
    const watched: Array<[EventSource | undefined, string, () => void]> = [
      [globals, 'online', onWake], [globals, 'offline', onOffline], [document, 'visibilitychange', onVisible]
    ]
    for (const [source, type, listener] of watched) source?.addEventListener?.(type, listener)
    return () => {
      for (const [source, type, listener] of watched) source?.removeEventListener?.(type, listener)
    }
  }
}
