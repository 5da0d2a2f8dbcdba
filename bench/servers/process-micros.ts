import { readFileSync } from 'node:fs'

/** Microseconds of a tick of the clock by which Linux tells what processes have used: 100 in a second. */
const TICK_MICROS = 10_000

/** CPU time of processes of this machine, user and system; of those that have ended, none. Linux only. */
export function processMicros (pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) {
    let text: string
    try {
      text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    } catch {
      continue
    }
    // Behind the name, which may have spaces: state is the third field, user and system the 14th and 15th.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    ticks += Number(fields[11]) + Number(fields[12])
  }
  return ticks * TICK_MICROS
}
