import type { Transfer } from '../workload/transfers.js'
import type { Load } from './rounds.js'
import type { Prepared, TransferClient } from './transfer-client.js'
import type { TransferLedger } from './transfer-ledger.js'

/** Transfers, and the requests for them. */
export interface Workload extends Prepared {
  readonly transfers: readonly Transfer[]
}

/** A load that keeps a fixed number of transfers under way for some time. */
export interface TimedLoop {
  readonly clients: readonly TransferClient[]
  readonly workload: Workload
  readonly ledger: TransferLedger
  /** Transfers of one client that wait for their answer. */
  readonly inFlight: number
  /** Milliseconds after which no more are sent. */
  readonly lastsMs: number
}

/**
 * Sends the load and resolves, when every transfer has its answer. It is measured by time, not by a number of
 * transfers, since the servers differ by more than ten times.
 */
export async function runTimedLoop (loop: TimedLoop): Promise<Load> {
  const until = performance.now() + loop.lastsMs
  const tookMs = await Promise.all(loop.clients.map(async (client, i) => {
    const start = Math.floor((i / loop.clients.length + Math.random()) * loop.workload.transfers.length)
    return await runClient(client, loop, start, until)
  }))
  return { operations: tookMs.reduce((sum, { length }) => sum + length, 0), tookMs }
}

async function runClient (
  client: TransferClient, { workload, ledger, inFlight }: TimedLoop, start: number, until: number
): Promise<number[]> {
  const { transfers } = workload
  const sentAt = new Map<number, number>()
  const tookMs: number[] = []
  let next = start
  const send = (count: number): void => {
    const now = performance.now()
    for (let i = 0; i < count; i++) {
      const index = next++ % transfers.length
      sentAt.set(index, now)
      ledger.noteSent(transfers[index] as Transfer)
      client.send(workload, index)
    }
  }
  await new Promise<void>(resolve => {
    let answered: number[] = []
    client.onAnswer = (index, succeeded) => {
      if (!sentAt.has(index)) throw new Error(`transfer ${index} was not asked for, and is answered`)
      ledger.noteAnswer(transfers[index] as Transfer, succeeded)
      answered.push(index)
    }
    client.onChunk = () => {
      const now = performance.now()
      for (const index of answered) {
        tookMs.push(now - (sentAt.get(index) ?? NaN))
        sentAt.delete(index)
      }
      const count = answered.length
      answered = []
      if (now < until) send(count)
      else if (sentAt.size === 0) resolve()
    }
    send(inFlight)
  })
  return tookMs
}
