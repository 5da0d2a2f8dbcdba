import fc from 'fast-check'
import { test } from 'tap'
import { MemoryLog, Store, isStoreError, type LogEntry } from '../../src/index.js'
import { repetitions } from '../support/campaign.js'
import { FakeClock, stopStore } from '../support/store.js'
import { definition, operations, plans, type Operation, type ViewPlan } from './arbitraries.js'
import { perform } from './perform.js'
import { WatchedView } from './watched-view.js'

/** A log that refuses the next entries when it is told to. */
class RefusingLog extends MemoryLog {
  refusals = 0

  override async append (entries: readonly LogEntry[], previousRevision: number): Promise<void> {
    if (entries.length > 0 && this.refusals > 0) {
      this.refusals--
      throw new Error('The disk is full')
    }
    await super.append(entries, previousRevision)
  }
}

const beginning = Array.from({ length: 16 }, (_, id) => ({ id, n: id % 5, s: 'ab'.slice(id % 3), m: id % 4 }))

/** Runs operations beside views; resolves with what must not be. */
async function run (
  views: readonly ViewPlan[], steps: readonly Operation[], log: RefusingLog | undefined
): Promise<readonly string[]> {
  const clock = new FakeClock()
  const store = await Store.start({ ttlCheckIntervalMs: 0, now: clock.now })
  await store.defineBucket('records', definition)
  await store.bucket('records').insertMany(beginning)
  if (log !== undefined) await store.attachLog(log)
  const open = async (plan: ViewPlan): Promise<WatchedView | undefined> => {
    try {
      return await WatchedView.open(store, plan)
    } catch (error) {
      if (!isStoreError(error)) throw error
      return undefined
    }
  }
  const watched = await Promise.all(views.map(open))
  const faults: string[] = []
  try {
    for (const [number, step] of steps.entries()) {
      if (step.kind === 'refuse' && log !== undefined) log.refusals = 1
      const opening: Array<readonly [number, Promise<WatchedView | undefined>]> = []
      if (step.kind === 'reopen') {
        const at = step.view % views.length
        watched[at]?.view.close()
        opening.push([at, open(views[at] as ViewPlan)])
        const next = steps[number + 1]
        if (!step.waits && next !== undefined) await perform(store, clock, next)
      }
      await perform(store, clock, step)
      for (const [at, view] of opening) watched[at] = await view
      faults.push(...await check(store, watched, log))
      for (const [at, view] of watched.entries()) {
        if (view?.isDropped === true) watched[at] = await open(views[at] as ViewPlan)
      }
      if (faults.length > 0) return faults.map(fault => `step ${number}: ${fault}`)
    }
    for (const view of watched) view?.view.close()
    if (store.views.size !== 0 || store.views.bytes !== 0) faults.push('views are left')
    return faults
  } finally {
    await stopStore(store)
  }
}

async function check (
  store: Store, watched: ReadonlyArray<WatchedView | undefined>, log: RefusingLog | undefined
): Promise<string[]> {
  // A read removes what is due, and what it removes has to be durable.
  await store.bucket('records').count()
  if (log !== undefined) {
    while (store.durability.state !== 'ok') await new Promise(resolve => { setTimeout(resolve, 5) })
    await store.whenDurable().catch(() => {})
  }
  while (store.views.isBusy) await store.settle()
  const faults: string[] = []
  if (store.views.revision !== store.revision) {
    faults.push(`views are at ${store.views.revision}, not at ${store.revision}`)
  }
  for (const view of watched) {
    if (view === undefined || view.isDropped) continue
    await view.check()
    faults.push(...view.faults)
  }
  return faults
}

const views = fc.array(plans, { minLength: 1, maxLength: 12 })
const steps = fc.array(operations, { minLength: 1, maxLength: 30 })

test('a view shows at each revision what a read shows, and tells of all that changes', async t => {
  await fc.assert(fc.asyncProperty(views, steps, async (plans, operations) => {
    const faults = await run(plans, operations, undefined)
    if (faults.length > 0) throw new Error(faults.join('\n'))
  }), { numRuns: repetitions(20_000, 150) })
  t.pass('at each revision')
})

test('a view never shows what a log does not take', async t => {
  await fc.assert(fc.asyncProperty(views, steps, async (plans, operations) => {
    const faults = await run(plans, operations, new RefusingLog())
    if (faults.length > 0) throw new Error(faults.join('\n'))
  }), { numRuns: repetitions(2_000, 30) })
  t.pass('what is durable')
})
