import { performance } from 'node:perf_hooks'

/** How often a supervisor restarts its children before it gives up. */
export interface RestartIntensityOptions {
  /** The restarts allowed in the window. */
  readonly maxRestarts: number
  /** The length of the window, in milliseconds. */
  readonly withinMs: number
}

/** Counts restarts in a sliding window. */
export class RestartIntensity {
  readonly maxRestarts: number
  readonly withinMs: number
  #restarts: number[] = []

  constructor ({ maxRestarts, withinMs }: RestartIntensityOptions) {
    this.maxRestarts = maxRestarts
    this.withinMs = withinMs
  }

  /** Counts one restart. False means that it is one too many. */
  admit (): boolean {
    const now = performance.now()
    this.#restarts = this.#restarts.filter(time => now - time < this.withinMs)
    this.#restarts.push(now)
    return this.#restarts.length <= this.maxRestarts
  }
}
