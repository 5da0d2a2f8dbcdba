/** The use that a server process has made of the machine. */
export interface Reading {
  /** CPU time of all threads, user and system, with that of its database where there is one. */
  readonly cpuMicros: number
  /** Time in which the event loop had nothing to do. */
  readonly idleMs: number
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

/** The questions that a server process is asked. */
export type Question = 'read' | 'collect' | 'balances'

/** Keeps pings out of a measurement of some minutes, in which a server may be blocked for long. */
export const NO_HEARTBEAT = { intervalMs: 3_600_000, timeoutMs: 3_600_000 } as const

/** Answers of a server beside the use of its process. */
export interface Report {
  readonly evaluations?: () => number
  readonly longestTurnMicros?: () => number
  /** CPU time of the processes of its database. */
  readonly databaseMicros?: () => number
  /** The balances by the numbers of the accounts. */
  readonly balances?: () => Promise<number[]>
}

/** Tells the driver the port, answers its questions, and ends the process when the driver has gone. */
export function reportTo (port: number, report: Report = {}): void {
  process.on('message', (question: Question) => {
    answer(question, report).catch((error: unknown) => { throw error })
  })
  process.on('disconnect', () => { process.exit() })
  process.send?.(port)
}

async function answer (question: Question, report: Report): Promise<void> {
  if (question === 'balances') {
    process.send?.(await report.balances?.())
    return
  }
  if (question === 'collect') globalThis.gc?.()
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed } = process.memoryUsage()
  const reading: Reading = {
    idleMs: performance.eventLoopUtilization().idle,
    cpuMicros: user + system + (report.databaseMicros?.() ?? 0),
    rssBytes: rss,
    heapBytes: heapUsed,
    evaluations: report.evaluations?.() ?? NaN,
    longestTurnMicros: report.longestTurnMicros?.() ?? NaN
  }
  process.send?.(reading)
}
