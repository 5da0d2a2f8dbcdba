import fc from 'fast-check'
import { test } from 'tap'
import { MemoryLog, Store, isStoreError, slicer, type LogEntry } from '../../src/index.js'
import { repetitions } from '../support/campaign.js'
import { FakeClock, stopStore } from '../support/store.js'
import { definition, operations, plans, type Operation, type ViewPlan } from './arbitraries.js'
import { perform } from './perform.js'
import { WatchedView } from './watched-view.js'

const HOUR = 3_600_000

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

/** A store beside whose views operations run. */
class Scene {
  readonly faults: string[]
  readonly log: RefusingLog | undefined
  readonly #store: Store
  readonly #clock: FakeClock
  readonly #plans: readonly ViewPlan[]
  readonly #watched = new Map<number, WatchedView>()

  private constructor (
    store: Store, clock: FakeClock, plans: readonly ViewPlan[], faults: string[],
    log: RefusingLog | undefined
  ) {
    this.#store = store
    this.faults = faults
    this.#clock = clock
    this.#plans = plans
    this.log = log
  }

  static async begin (plans: readonly ViewPlan[], log: RefusingLog | undefined): Promise<Scene> {
    const clock = new FakeClock()
    const faults: string[] = []
    const store = await Store.start({
      ttlCheckIntervalMs: 0,
      now: clock.now,
      onListenerError: error => { faults.push(String((error as Error).stack)) }
    })
    await store.defineBucket('records', definition)
    await store.bucket('records').insertMany(beginning)
    if (log !== undefined) await store.attachLog(log)
    const scene = new Scene(store, clock, plans, faults, log)
    await Promise.all(plans.map(async (_plan, at) => { await scene.open(at) }))
    return scene
  }

  /** Opens a view, in the place of one that is open. */
  async open (at: number): Promise<void> {
    this.#watched.get(at)?.view.close()
    this.#watched.delete(at)
    try {
      const opened = await WatchedView.open(this.#store, this.#plans[at] as ViewPlan)
      // Another one may have been opened meanwhile.
      this.#watched.get(at)?.view.close()
      this.#watched.set(at, opened)
    } catch (error) {
      if (!isStoreError(error)) throw error
    }
  }

  async perform (step: Operation): Promise<void> {
    if (step.kind === 'refuse' && this.log !== undefined) this.log.refusals = 1
    if (step.kind === 'reopen') await this.open(step.view % this.#plans.length)
    else await perform(this.#store, this.#clock, step)
  }

  /** Compares all views with reads, once nothing is under way. */
  async check (): Promise<void> {
    const { log, faults } = this
    const store = this.#store
    // A read removes what is due, and what it removes has to be durable.
    await store.bucket('records').count()
    if (log !== undefined) {
      while (store.durability.state !== 'ok') await new Promise(resolve => { setTimeout(resolve, 5) })
      await store.whenDurable().catch(() => {})
    }
    while (store.views.isBusy) await store.settle()
    if (store.views.revision !== store.revision) {
      faults.push(`views are at ${store.views.revision}, not at ${store.revision}`)
    }
    for (const at of this.#plans.keys()) {
      const view = this.#watched.get(at)
      if (view === undefined || view.isDropped) {
        await this.open(at)
      } else {
        await view.check()
        faults.push(...view.faults)
      }
    }
  }

  async end (): Promise<void> {
    for (const { view } of this.#watched.values()) view.close()
    const { size, bytes } = this.#store.views
    if (size !== 0 || bytes !== 0) this.faults.push(`${size} views with ${bytes} bytes are left`)
    await stopStore(this.#store)
  }
}

/** Runs operations beside views, so many at a time; fails with what must not be. */
async function run (
  plans: readonly ViewPlan[], steps: readonly Operation[], atOnce: number, log?: RefusingLog
): Promise<void> {
  const scene = await Scene.begin(plans, log)
  for (let i = 0; i < steps.length && scene.faults.length === 0; i += atOnce) {
    await Promise.all(steps.slice(i, i + atOnce).map(async step => { await scene.perform(step) }))
    await scene.check()
    if (scene.faults.length > 0) scene.faults.unshift(`up to step ${i + atOnce}`)
  }
  await scene.end()
  if (scene.faults.length > 0) throw new Error(scene.faults.join('\n'))
}

const views = fc.array(plans, { minLength: 1, maxLength: 12 })
const steps = fc.array(operations, { minLength: 1, maxLength: 30 })

test('a view shows what a read shows, and tells of all that changes', { timeout: HOUR }, async t => {
  await fc.assert(
    fc.asyncProperty(views, steps, async (plans, operations) => { await run(plans, operations, 1) }),
    { numRuns: repetitions(20_000, 80) }
  )
  t.pass('at each revision')
})

test('a view never shows what a log does not take', { timeout: HOUR }, async t => {
  await fc.assert(
    fc.asyncProperty(views, steps, fc.constantFrom(1, 4), async (plans, operations, atOnce) => {
      await run(plans, operations, atOnce, new RefusingLog())
    }),
    { numRuns: repetitions(2_000, 30) }
  )
  t.pass('what is durable')
})

test('so it does in slices, and while views are opened', { timeout: HOUR }, async t => {
  let looks = 0
  Object.defineProperty(slicer, 'isSpent', { configurable: true, get: () => ++looks % 3 !== 0 })
  t.teardown(() => { Reflect.deleteProperty(slicer, 'isSpent') })
  await fc.assert(
    fc.asyncProperty(views, steps, fc.boolean(), async (plans, operations, isLogged) => {
      await run(plans, operations, 5, isLogged ? new RefusingLog() : undefined)
    }),
    { numRuns: repetitions(5_000, 40) }
  )
  t.pass('in slices')
})
