/** Least time between two states of one live query, in milliseconds. */
const LIVE_MS = 200

/** Events that are shown in that time. */
const MAX_EVENTS = 50

/** Shows the newest of several values of each title, a while after the one before. */
export class LatestOf {
  readonly #show: (title: string, data: unknown) => void
  readonly #waiting = new Map<string, { data: unknown, timer: NodeJS.Timeout, isNew: boolean }>()

  constructor (show: (title: string, data: unknown) => void) {
    this.#show = show
  }

  set (title: string, data: unknown): void {
    const waiting = this.#waiting.get(title)
    if (waiting !== undefined) {
      Object.assign(waiting, { data, isNew: true })
      return
    }
    this.#show(title, data)
    const timer = setTimeout(() => {
      const { data: newest, isNew } = this.#waiting.get(title) ?? {}
      this.#waiting.delete(title)
      if (isNew === true) this.set(title, newest)
    }, LIVE_MS)
    this.#waiting.set(title, { data, timer, isNew: false })
  }

  close (): void {
    for (const { timer } of this.#waiting.values()) clearTimeout(timer)
    this.#waiting.clear()
  }
}

/** Shows events as they come, and of a flood the number of those that it has left out. */
export class Bounded {
  readonly #onLeftOut: (count: number) => void
  #count = 0
  #timer: NodeJS.Timeout | undefined

  constructor (onLeftOut: (count: number) => void) {
    this.#onLeftOut = onLeftOut
  }

  /** Calls `show`, unless there were too many. */
  add (show: () => void): void {
    this.#timer ??= setTimeout(() => {
      const leftOut = this.#count - MAX_EVENTS
      this.close()
      if (leftOut > 0) this.#onLeftOut(leftOut)
    }, LIVE_MS)
    if (++this.#count <= MAX_EVENTS) show()
  }

  close (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#count = 0
  }
}
