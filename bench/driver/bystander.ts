import { setTimeout } from 'node:timers/promises'
import type { Client } from './client.js'

/** A request is due each millisecond, whether or not the one before is answered. */
const EVERY_MS = 1

/** How long a client waits beside the work of others. */
export interface Noticed {
  /** Returns the milliseconds, from when a request was due, in which this share of them was answered. */
  readonly at: (share: number) => number
}

/** Has a client send one and the same request as long as `work` takes, and `atLeastMs` at least. */
export async function askBeside (
  client: Client, request: Buffer, work: () => Promise<void>, atLeastMs: number
): Promise<Noticed> {
  const latenciesMs: number[] = []
  const due: number[] = []
  client.onMessage = () => { latenciesMs.push(performance.now() - (due[latenciesMs.length] as number)) }
  const began = performance.now()
  const working = work().then(() => false)
  do {
    for (const now = performance.now(); began + due.length * EVERY_MS <= now;) {
      due.push(began + due.length * EVERY_MS)
      client.send(request)
    }
    await setTimeout(EVERY_MS)
  } while (await Promise.race([working, true]) || performance.now() - began < atLeastMs)
  while (latenciesMs.length < due.length) await setTimeout(EVERY_MS)
  latenciesMs.sort((a, b) => a - b)
  const last = latenciesMs.length - 1
  return { at: share => latenciesMs[Math.min(last, Math.floor(latenciesMs.length * share))] ?? NaN }
}
