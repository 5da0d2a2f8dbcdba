import * as registry from 'registry-noex-store'
import { inspect } from 'node:util'
import * as own from '../../src/index.js'
import { isPartOf, withAsyncValidators } from './async-validators.js'
import { Controlled } from './controlled.js'
import { bucketNames, type Definitions } from './definitions.js'
import type { Step } from './difference.js'
import { differences } from './differences.js'
import { isStructural, violation } from './invariants.js'
import type { Operation } from './operations.js'
import { perform, placed, type Setting } from './perform.js'
import { ANY_FILTER_ERROR, rightStep, type RightStep } from './model-steps.js'
import { isBadFilter, matches } from './reference.js'
import { isSame, Side, type HeardEvent, type Observation } from './side.js'
import { nextWorld, rightRead, type World } from './world.js'

const makeAdapter = (): own.MemoryAdapter => new own.MemoryAdapter()
const settings = { name: 'pair', ttlCheckIntervalMs: 0 }
/** Longer than any history: buckets are saved by backups only. */
const debounceMs = 3_600_000

const startTheirs: Side['start'] = async adapter =>
  await registry.Store.start({ ...settings, persistence: { adapter, debounceMs } })
const startOurs: Side['start'] = async adapter =>
  await own.Store.start({ ...settings, persistence: { adapter, debounceMs } }) as unknown as registry.Store
const runTheirs = registry.runMigrations
const runOurs = own.runMigrations as unknown as typeof registry.runMigrations

/** Number of steps at which each difference was met. */
export type Tally = Map<string, number>

/** A store of each package; both do the same, and what they show is compared step by step. */
export class History {
  readonly #definitions: Definitions
  readonly #controlled: Controlled
  readonly #theirs: Side
  readonly #ours: Side
  readonly #tally: Tally
  readonly #filters = new Map<string, Extract<Operation, { kind: 'subscribe' }>>()
  #world: World
  #step = 0

  private constructor (
    definitions: Definitions, controlled: Controlled, theirs: Side, ours: Side, tally: Tally
  ) {
    this.#definitions = definitions
    this.#controlled = controlled
    this.#theirs = theirs
    this.#ours = ours
    this.#tally = tally
    this.#world = { definitions, buckets: new Map(), contents: {}, backups: new Map() }
  }

  /** Runs a history from its definitions to its end. Rejects at the first difference that is in no table. */
  static async run (definitions: Definitions, operations: readonly Operation[], tally: Tally): Promise<void> {
    const controlled = new Controlled()
    const theirs = await Side.open(startTheirs, makeAdapter())
    const ours = await Side.open(startOurs, makeAdapter())
    try {
      const history = new History(definitions, controlled, theirs, ours, tally)
      for (const bucket of bucketNames) await history.#do({ kind: 'define', bucket })
      for (const operation of operations) await history.#do(operation)
    } finally {
      await theirs.store.stop()
      await ours.store.stop()
      controlled.release()
    }
  }

  async #do (operation: Operation): Promise<void> {
    const world = this.#world
    const setting: Setting = { definitions: this.#definitions, step: ++this.#step }
    if (operation.kind === 'advance') this.#controlled.time += operation.ms
    const met: string[] = []
    let altered = operation
    for (const { name, instead } of differences) {
      const other = instead?.(altered, world)
      if (other === undefined) continue
      altered = other
      met.push(name)
    }
    this.#controlled.generateFrom(this.#step * 100)
    let theirs = await this.#theirs.observe(async side => {
      if (operation.kind === 'advance') await side.store.purgeTtl()
      return await perform(side, altered, setting, runTheirs)
    })
    this.#controlled.generateFrom(this.#step * 100)
    const ourSetting = { ...setting, definitions: withAsyncValidators(this.#definitions) }
    const ours = await this.#ours.observe(async side => await perform(side, operation, ourSetting, runOurs))
    this.#checkOurs(operation, ours)
    for (const { name, right } of differences) {
      const corrected = right?.({ operation, world, theirs, ours })
      if (corrected === undefined) continue
      theirs = corrected
      met.push(name)
    }
    const step: Step = { operation, world, theirs, ours }
    if (!isSame(shown(theirs), shown(ours))) {
      const causes = differences.filter(({ isCause }) => isCause?.(step))
      if (causes.length === 0) {
        throw new Error('No row of the table explains this: ' +
        describe({ operation, before: world.contents, theirs: shown(theirs), ours: shown(ours) }))
      }
      met.push(...causes.slice(0, 1).map(({ name }) => name))
    }
    this.#follow(operation, ours)
    this.#world = await nextWorld(world, this.#ours, operation, ours, this.#controlled.time)
    for (const name of met) this.#tally.set(name, (this.#tally.get(name) ?? 0) + 1)
    if ('value' in ours.outcome) this.#tally.set('done', (this.#tally.get('done') ?? 0) + 1)
    this.#tally.set('operations', (this.#tally.get('operations') ?? 0) + 1)
    if (met.length > 0 || this.#hasHiddenState(operation, ours)) {
      await this.#theirs.becomeLike(this.#ours, makeAdapter)
    }
  }

  /**
   * Checks what is right without 0.2.0: steps by the model, reads by their reference, live queries,
   * invariants.
   */
  #checkOurs (operation: Operation, ours: Observation): void {
    const world = this.#world
    const fail = (what: string, right: unknown): never => {
      throw new Error(`${what}: ${describe({ operation, before: world.contents, ours: shown(ours), right })}`)
    }
    const right = rightRead(operation, world)
    if (right !== undefined && !isSame(ours.outcome, right) && !isNear(ours.outcome, right)) {
      fail('A wrong read', right)
    }
    this.#controlled.generateFrom(this.#step * 100)
    const model = rightStep(operation, world, this.#controlled.time)
    if (model !== undefined) {
      if (!isRight(ours, model, operation) && !this.#isEarly(ours, model)) fail('Not as the model', model)
      this.#tally.set('by the model', (this.#tally.get('by the model') ?? 0) + 1)
    }
    const found = violation(operation, world, ours, this.#controlled.time)
    if (found !== undefined) fail('A broken promise', found)
    for (const [name, { bucket, filter }] of this.#filters) {
      const definition = this.#ours.store.getBucketSchema(bucket)
      if (definition === undefined || !this.#ours.watched.has(name)) continue
      const wanted = placed(filter, bucket, this.#definitions)
      if (isBadFilter(wanted, definition)) continue
      const records = (ours.contents[bucket] ?? []).filter(record => matches(record, wanted, definition))
      if (!isSame(ours.live[name], records)) fail('A stale live query', records)
    }
  }

  /** Whether a bucket with asynchronous validators has refused before they have answered. */
  #isEarly ({ outcome }: Observation, right: RightStep): boolean {
    if (!('error' in outcome) || !('errors' in right)) return false
    const definitions = withAsyncValidators(this.#definitions)
    return bucketNames.some(name => definitions[name] !== this.#definitions[name] &&
      outcome.error.includes(`for bucket "${name}"`)) &&
      [...right.errors].some(error => isPartOf(outcome.error, error))
  }

  /** Notes what begins and ends with a step. */
  #follow (operation: Operation, { outcome }: Observation): void {
    if ('error' in outcome) return
    if (operation.kind === 'subscribe') this.#filters.set(`live${this.#step}`, operation)
    if (operation.kind !== 'drop') return
    for (const [name, { bucket }] of this.#filters) {
      if (bucket !== operation.bucket) continue
      this.#theirs.unwatch(name)
      this.#ours.unwatch(name)
      this.#filters.delete(name)
    }
  }

  /** Tells whether 0.2.0 has let go of references, numbers or times that cannot be seen at once. */
  #hasHiddenState (operation: Operation, { events, outcome }: Observation): boolean {
    return isStructural(operation) || operation.kind === 'advance' || operation.kind === 'purge' ||
      operation.kind === 'transaction' ||
      (operation.kind === 'insertMany' && 'error' in outcome) ||
      // Has taken a number, which it has not in 0.2.0.
      ('error' in outcome && /^(?:ReferentialIntegrity|BucketNotDefined)Error/.test(outcome.error)) ||
      (operation.kind !== 'delete' && operation.kind !== 'deleteMany' &&
        events.some(({ type }) => type === 'deleted'))
  }
}

/** Compared members: not the subscriptions of 0.2.0, which have a reference of their own. */
const shown = ({ outcome, contents, events }: Observation): unknown => [outcome, contents, events]

/** Whether a step has ended as the model says. */
function isRight (
  { outcome, contents, events }: Observation, right: RightStep, operation: Operation
): boolean {
  if ('errors' in right) {
    if (!('error' in outcome)) return false
    return [...right.errors].some(error => error === ANY_FILTER_ERROR
      ? outcome.error.startsWith(`${error}: `)
      : outcome.error === error)
  }
  if (!('value' in outcome) || !isSame(outcome.value, right.value)) return false
  const data = Object.fromEntries(Object.entries(contents).filter(([name]) => name in right.contents))
  if (!isSame(data, right.contents)) return false
  return operation.kind === 'clear' || isSame(byKey(events), byKey(right.events))
}

const byKey = (events: readonly HeardEvent[]): Map<string, HeardEvent> =>
  new Map(events.map(event => [`${event.bucket} ${typeof event.key} ${String(event.key)}`, event]))

/** Numbers that differ by rounding alone. */
function isNear (a: unknown, b: unknown): boolean {
  const [one, other] = [a, b].map(outcome => (outcome as { value?: unknown }).value)
  return typeof one === 'number' && typeof other === 'number' &&
    Math.abs(one - other) <= Math.abs(other) * 1e-12
}

function describe (value: unknown): string {
  return inspect(value, { depth: 7, breakLength: 108, compact: 8 })
    .replaceAll('[Object: null prototype] ', '')
}
