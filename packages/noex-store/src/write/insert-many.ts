import type { Bucket } from '../bucket/bucket.js'
import type { Engine } from '../commit/engine.js'
import { CommitTooLargeError, DuplicateKeyError, RecordExistsError } from '../errors.js'
import { OperationBudget } from '../schema/size.js'
import type { PendingCheck } from '../schema/pending-checks.js'
import type { WriteOptions } from '../types/commit.js'
import type { StoreRecord } from '../types/record.js'
import { checkObject, type Input } from './changes.js'
import { turnForCommit } from '../commit/commit-causes.js'
import { Plan } from '../commit/plan.js'
import { WriteAccess } from './write-access.js'
import { keyOfNew, openForWrite } from './writes.js'

/** Records up to which a batch is made in one step. */
const MAX_AT_ONCE = 500
/** Records made between two looks at the clock. */
const STEP = 32
/** Times that a batch is made for a bucket that is defined anew meanwhile. */
const MAX_ATTEMPTS = 5

/**
 * Inserts all records or none. Those of a long batch are made and checked in slices; the step that commits
 * looks at what has changed meanwhile.
 */
export function insertMany (
  engine: Engine, name: string, inputs: readonly Input[], options: WriteOptions = {},
  access = WriteAccess.unlimited
): StoreRecord[] | Promise<StoreRecord[]> {
  const { maxChanges = Infinity } = options
  if (inputs.length > maxChanges) throw new CommitTooLargeError(inputs.length, maxChanges)
  access.takeWrites(inputs.length)
  const isLong = inputs.length > (openForWrite(engine, name).schema.isSlow ? 1 : MAX_AT_ONCE)
  if (!isLong) return insertNow(engine, name, inputs, options, access)
  return insertInSlices(engine, name, [...inputs], options, access)
}

function insertNow (
  engine: Engine, name: string, inputs: readonly Input[], options: WriteOptions, access: WriteAccess,
  attempt = 1
): StoreRecord[] | Promise<StoreRecord[]> {
  const bucket = openForWrite(engine, name)
  const { counter } = bucket
  try {
    const batch = new Batch(engine, bucket, inputs, access)
    drain(batch.check())
    drain(batch.make())
    const pending = batch.takePending()
    if (pending.length > 0) {
      const copies = [...inputs]
      return engine.checks.settle(name, pending).then(() => {
        const isStale = openForWrite(engine, name) !== bucket && attempt < MAX_ATTEMPTS
        return isStale ? insertNow(engine, name, copies, options, access, attempt + 1) : batch.finish(options)
      })
    }
    return batch.finish(options)
  } catch (error) {
    // None of the numbers has been seen, unless functions of the definition have taken further ones.
    if (bucket.counter <= counter + inputs.length && !bucket.schema.hasFunctions) bucket.counter = counter
    throw error
  }
}

async function insertInSlices (
  engine: Engine, name: string, inputs: readonly Input[], options: WriteOptions, access: WriteAccess
): Promise<StoreRecord[]> {
  for (let attempt = 1; attempt < MAX_ATTEMPTS; attempt++) {
    const bucket = openForWrite(engine, name)
    const batch = new Batch(engine, bucket, inputs, access)
    for (const steps of [batch.check(), batch.make(), batch.plan()]) {
      for (let i = 1; steps.next().done !== true; i++) {
        if (i % STEP === 0) await settle(engine, name, batch)
        const turn = engine.slicer.pause(i, STEP)
        if (turn !== undefined) await turn
      }
      await settle(engine, name, batch)
    }
    const turn = turnForCommit(engine, inputs.length)
    if (turn !== undefined) await turn
    // Another definition makes other records.
    if (openForWrite(engine, name) === bucket) return await batch.commit(options)
  }
  return await insertNow(engine, name, inputs, options, access, MAX_ATTEMPTS)
}

/** Waits for the checks of the records made so far, where there are any. */
async function settle (engine: Engine, name: string, batch: Batch): Promise<void> {
  const pending = batch.takePending()
  if (pending.length > 0) await engine.checks.settle(name, pending)
}

function drain (steps: Generator): void {
  while (steps.next().done !== true);
}

/** New records of one bucket, made one after the other: each step may be the last one of a turn. */
class Batch {
  readonly #engine: Engine
  readonly #bucket: Bucket
  readonly #inputs: readonly Input[]
  readonly #access: WriteAccess
  readonly #records: StoreRecord[] = []
  readonly #budget: OperationBudget
  #pending: PendingCheck[] = []
  /** Keys in the order of the records. */
  readonly #keys = new Set<unknown>()
  /** Changes of the bucket when the plan was begun. */
  #edits = 0

  constructor (engine: Engine, bucket: Bucket, inputs: readonly Input[], access: WriteAccess) {
    this.#engine = engine
    this.#bucket = bucket
    this.#inputs = inputs
    this.#access = access
    this.#budget = new OperationBudget(engine.options.maxOperationBytes)
  }

  /** Checks what is given. */
  * check (): Generator<undefined, undefined> {
    for (const input of this.#inputs) {
      checkObject(this.#bucket, input)
      yield
    }
  }

  /** Makes the records. */
  * make (): Generator<undefined, undefined> {
    const bucket = this.#bucket
    const time = this.#engine.now
    this.#edits = bucket.edits
    const given = new Set(this.#inputs.map(input => input[bucket.schema.key]))
    for (const input of this.#inputs) {
      this.#records.push(bucket.maker.insert(input, time, number => given.has(number), this.#pending))
      this.#budget.add(bucket.name, bucket.maker.inputBytes)
      yield
    }
  }

  /**
   * Looks at the keys of the records.
   * @throws ValidationError, RecordExistsError, DuplicateKeyError, OutOfScopeError
   */
  * plan (): Generator<undefined, undefined> {
    const bucket = this.#bucket
    const { key: field } = bucket.schema
    for (const record of this.#records) {
      const key = keyOfNew(bucket, record)
      if (bucket.contents.rows.has(key)) throw new RecordExistsError(bucket.name, record[field], field)
      if (this.#keys.has(key)) throw new DuplicateKeyError(bucket.name, record[field], field)
      this.#access.check(bucket, record)
      this.#keys.add(key)
      yield
    }
  }

  /** Returns the checks of the records made so far that are still to be waited for, each once. */
  takePending (): PendingCheck[] {
    const pending = this.#pending
    if (pending.length > 0) this.#pending = []
    return pending
  }

  /** Looks at the keys and commits. */
  finish (options: WriteOptions): StoreRecord[] | Promise<StoreRecord[]> {
    drain(this.plan())
    return this.commit(options)
  }

  commit (options: WriteOptions): StoreRecord[] | Promise<StoreRecord[]> {
    if (this.#bucket.edits !== this.#edits) this.#mend()
    const plan = new Plan(options.maxChanges)
    let i = 0
    for (const key of this.#keys) plan.add(this.#bucket, key, undefined, this.#records[i++])
    plan.result = this.#records
    this.#engine.commit(plan, options)
    return this.#engine.durably(this.#records)
  }

  /** Looks once more at keys that others may have taken, or taken and deleted, meanwhile. */
  #mend (): void {
    const bucket = this.#bucket
    const { key: field } = bucket.schema
    let i = -1
    for (const key of this.#keys) {
      const record = this.#records[++i] as StoreRecord
      if (bucket.contents.rows.has(key)) throw new RecordExistsError(bucket.name, record[field], field)
      const _version = bucket.deleted.nextVersion(key)
      if (_version > record._version) this.#records[i] = Object.freeze({ ...record, _version })
    }
  }
}
