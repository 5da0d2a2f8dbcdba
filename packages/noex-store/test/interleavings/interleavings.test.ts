import fc from 'fast-check'
import { test } from 'tap'
import {
  MemoryLog, Store, StoreUnavailableError, TransactionConflictError, type LogEntry, type StoreRecord
} from '../../src/index.js'
import { repetitions } from '../support/campaign.js'
import { stopStore } from '../support/store.js'
import { act, anyAct, defineAccounts, type Act, type Pause } from './actors.js'
import { Witness } from './witness.js'

/** A log that takes or refuses entries as it is told, when the scheduler lets it. */
class RefusingLog extends MemoryLog {
  answers: boolean[] = []
  pause: Pause = async () => {}

  override async append (entries: readonly LogEntry[], previousRevision: number): Promise<void> {
    await this.pause()
    if (entries.length > 0 && this.answers.shift() === false) throw new Error('The disk is full')
    await super.append(entries, previousRevision)
  }
}

const HOUR = 3_600_000
const acts = fc.array(anyAct, { minLength: 1, maxLength: 3 })
const participants = fc.array(acts, { minLength: 2, maxLength: 5 })

const isExpected = (error: Error): boolean => error instanceof TransactionConflictError ||
  error instanceof StoreUnavailableError || error.message === 'as planned'

/** Runs all participants at once; the scheduler chooses who goes on. Resolves with what must not be. */
async function interleave (
  scheduler: fc.Scheduler, acts: ReadonlyArray<readonly Act[]>, answers?: readonly boolean[]
): Promise<readonly string[]> {
  const store = await Store.start({ name: 'interleaved', ttlCheckIntervalMs: 0 })
  await defineAccounts(store)
  const pause = async (): Promise<void> => { await scheduler.schedule(Promise.resolve()) }
  const log = answers === undefined ? undefined : new RefusingLog()
  if (log !== undefined) await store.attachLog(log)
  const witness = new Witness(store)
  await witness.listen()
  let watched = 0
  await store.subscribe('total', (total: number) => { watched = total })
  await store.subscribe('everything', (records: StoreRecord[]) => { witness.pushed.push(records) })
  if (log !== undefined) Object.assign(log, { pause, answers: [...answers ?? []] })
  const all = acts.map(async (own, writer) => {
    for (const doing of own) {
      try {
        await act(store, doing, writer, pause, witness)
        if (log !== undefined) await seeDurable(store, witness)
      } catch (error) {
        if (!isExpected(error as Error)) witness.faults.push(String((error as Error).stack))
      }
    }
  })
  await scheduler.waitFor(Promise.all(all))
  await scheduler.waitFor(store.whenDurable().catch(() => {}))
  await store.settle()
  witness.saw(watched, 'a subscriber')
  const faults = await witness.close()
  if (log !== undefined && log.revision !== store.revision) {
    return [...faults, 'the log is not at the revision of the store']
  }
  await stopStore(store)
  return faults
}

/** A reader that waits until what it has seen is durable has not seen a commit that is taken back. */
async function seeDurable (store: Store, witness: Witness): Promise<void> {
  const seen = witness.heard.at(-1)
  const isKept = seen !== undefined && !witness.undone.some(({ changes }) => changes === seen.changes)
  await store.whenDurable()
  if (isKept && witness.undone.some(({ changes }) => changes === seen.changes)) {
    witness.faults.push(`a reader has waited for revision ${seen.revision}, which was taken back`)
  }
}

test('transactions, updates and reads in any order', { timeout: HOUR }, async t => {
  let runs = 0
  await fc.assert(fc.asyncProperty(fc.scheduler(), participants, async (scheduler, acts) => {
    runs++
    const faults = await interleave(scheduler, acts)
    if (faults.length > 0) throw new Error(faults.join('\n'))
  }), { numRuns: Number(process.env['INTERLEAVINGS'] ?? repetitions(60_000, 300)) })
  t.comment(`${runs} interleavings`)
})

test('the same with a log that refuses', { timeout: HOUR }, async t => {
  let runs = 0
  let refusals = 0
  const answers = fc.array(fc.integer({ min: 0, max: 2 }).map(n => n > 0), { maxLength: 6 })
  await fc.assert(fc.asyncProperty(fc.scheduler(), participants, answers, async (scheduler, acts, taken) => {
    runs++
    refusals += Number(taken.includes(false))
    const faults = await interleave(scheduler, acts, taken)
    if (faults.length > 0) throw new Error(faults.join('\n'))
  }), { numRuns: Number(process.env['INTERLEAVINGS'] ?? repetitions(40_000, 300)) })
  t.ok(refusals > 0)
  t.comment(`${runs} interleavings, ${refusals} with refusals`)
})
