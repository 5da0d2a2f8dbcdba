/** What a server process has used. */
export interface Reading {
  /** CPU time of all threads, user and system. */
  readonly cpuMicros: number
  readonly rssBytes: number
  /** Live and dead objects of JavaScript. */
  readonly heapBytes: number
  /** Evaluations of the live query; `NaN` where there is none. */
  readonly evaluations: number
  /**
   * CPU time of the main thread in the longest turn of its event loop since it was last asked; `NaN` where it
   * is not watched.
   */
  readonly longestTurnMicros: number
}

/** Tells the driver the port, answers its questions, and ends the process when the driver has gone. */
export function reportTo (
  port: number, evaluations: () => number = () => NaN, longestTurnMicros: () => number = () => NaN
): void {
  process.on('message', question => {
    if (question === 'collect') globalThis.gc?.()
    const { user, system } = process.cpuUsage()
    const { rss, heapUsed } = process.memoryUsage()
    const reading: Reading = {
      cpuMicros: user + system,
      rssBytes: rss,
      heapBytes: heapUsed,
      evaluations: evaluations(),
      longestTurnMicros: longestTurnMicros()
    }
    process.send?.(reading)
  })
  process.on('disconnect', () => { process.exit() })
  process.send?.(port)
}
