import type { StoreRecord } from 'registry-noex-store'
import { isPartOf } from './async-validators.js'
import { rightDelete } from './deletes.js'
import type { Difference, Step } from './difference.js'
import { isStructural } from './invariants.js'
import type { Input, Operation } from './operations.js'
import { placed } from './perform.js'
import { isSame, type Contents, type HeardEvent, type Observation } from './side.js'
import type { BucketWorld, World } from './world.js'

const isInsert = (operation: Operation): operation is Extract<Operation, { kind: 'insert' | 'upsert' }> =>
  operation.kind === 'insert' || operation.kind === 'upsert'

const errorOf = ({ outcome }: Observation): string => 'error' in outcome ? outcome.error : ''

/** The same, as if nothing had happened. */
const refused = (error: string, { world, theirs }: Step): Observation =>
  ({ ...theirs, outcome: { error }, contents: world.contents, events: [] })

const definitionsIn = (operation: Operation, world: World): BucketWorld[] =>
  (operation.kind === 'transaction' ? operation.steps : [operation])
    .flatMap(step => 'bucket' in step ? world.buckets.get(step.bucket) ?? [] : [])

/** Whether a bucket of the operation refers to another one, or is referred to. */
function hasReferences (operation: Operation, world: World): boolean {
  const names = operation.kind === 'transaction'
    ? operation.steps.map(({ bucket }) => bucket)
    : 'bucket' in operation ? [operation.bucket] : []
  return names.some(name => [...world.buckets].some(([source, { definition }]) =>
    Object.values(definition.schema)
      .some(({ ref }) => ref !== undefined && (source === name || ref === name))))
}

/** Raises the versions of records whose keys have been there before. */
function raised ({ operation, world, theirs }: Step): Observation | undefined {
  if (isStructural(operation)) return undefined
  let isRaised = false
  const raise = (record: StoreRecord, bucket: string): StoreRecord => {
    const known = world.buckets.get(bucket)
    const last = known?.graves.get(record['id'])
    if (last === undefined || known?.records.some(({ id }) => id === record['id']) === true) return record
    isRaised = true
    return { ...record, _version: record._version + last }
  }
  const isRecord = (value: unknown): value is StoreRecord =>
    typeof value === 'object' && value !== null && '_version' in value && 'id' in value
  const within = (value: unknown, bucket: string): unknown => Array.isArray(value)
    ? value.map(item => within(item, bucket))
    : isRecord(value) ? raise(value, bucket) : value
  const valueOf = (value: unknown): unknown => operation.kind === 'transaction'
    ? (value as unknown[]).map((item, i) => within(item, operation.steps[i]?.bucket ?? ''))
    : within(value, 'bucket' in operation ? operation.bucket : '')
  const contents = Object.fromEntries(Object.entries(theirs.contents)
    .map(([bucket, records]) => [bucket, records.map(record => raise(record, bucket))]))
  const events = theirs.events.map(event => Object.fromEntries(Object.entries(event)
    .map(([name, value]) => [name, within(value, event.bucket)])) as unknown as HeardEvent)
  const outcome = 'value' in theirs.outcome ? { value: valueOf(theirs.outcome.value) } : theirs.outcome
  return isRaised ? { ...theirs, outcome, contents, events } : undefined
}

/** Raises the versions of records that a backup brings back over newer ones. */
function restored ({ operation, world, theirs }: Step): Observation | undefined {
  if (operation.kind !== 'restore') return undefined
  const contents = Object.fromEntries(Object.entries(theirs.contents).map(([bucket, records]) => {
    const known = world.buckets.get(bucket)
    const key = known?.definition.key ?? 'id'
    return [bucket, records.map(record => {
      const current = known?.records.find(former => former[key] === record[key])
      const last = current?._version ?? known?.graves.get(record[key]) ?? 0
      return record._version > last || isSame(record, current) ? record : { ...record, _version: last + 1 }
    })]
  }))
  return isSame(contents, theirs.contents) ? undefined : { ...theirs, contents }
}

/** Gives inserts the free numbers that 0.2.0 would not look for. */
function withFreeNumbers (operation: Operation, world: World): Operation | undefined {
  if (!isInsert(operation) && operation.kind !== 'insertMany') return undefined
  const bucket = world.buckets.get(operation.bucket)
  if (bucket?.definition.schema['id']?.generated !== 'autoincrement') return undefined
  const inputs = 'inputs' in operation ? operation.inputs : [operation.input]
  const taken = new Set([...bucket.records, ...inputs].map(({ id }) => id))
  let number = bucket.counter
  let isSkipping = false
  const numbered = inputs.map((input): Input => {
    number++
    if (input['id'] !== undefined) return isSkipping ? withNumber(input, bucket, number) : input
    for (; taken.has(number); number++) isSkipping = true
    return isSkipping ? withNumber({ ...input, id: number }, bucket, number) : input
  })
  if (!isSkipping) return undefined
  return 'inputs' in operation
    ? { ...operation, inputs: numbered }
    : { ...operation, input: numbered[0] as Input }
}

function withNumber (input: Input, { definition }: BucketWorld, number: number): Input {
  if (definition.schema['g']?.generated !== 'autoincrement' || input['g'] !== undefined) return input
  return { ...input, g: number }
}

const textOf = (event: HeardEvent): string =>
  `${event.bucket} ${typeof event.key} ${String(event.key)} ${event.type}`

/** The events of 0.2.0 in our order, without those of records that only passed through a full bucket. */
function inOrder ({ world, theirs, ours }: Step): Observation | undefined {
  const isPassing = ({ bucket, key, type }: HeardEvent): boolean => type !== 'updated' &&
    ![...world.contents[bucket] ?? [], ...theirs.contents[bucket] ?? []].some(({ id }) => id === key)
  const events = theirs.events.filter(event => !isPassing(event))
  const sorted = (list: readonly HeardEvent[]): HeardEvent[] =>
    [...list].sort((a, b) => textOf(a) < textOf(b) ? -1 : 1)
  if (isSame(theirs.events, ours.events) || !isSame(sorted(events), sorted(ours.events))) return undefined
  return { ...theirs, events: ours.events }
}

const isFull = (operation: Operation, world: World): boolean =>
  definitionsIn(operation, world).some(({ definition }) => definition.maxSize !== undefined)

export const writeDifferences: readonly Difference[] = [
  {
    name: 'numbers of a key that are taken',
    before: 'an `autoincrement` key that a client has used replaces that record',
    now: 'the number is passed over',
    why: 'no insert removes another record',
    instead: withFreeNumbers
  },
  {
    name: 'insert of a taken key',
    before: 'replaces the record, and leaves its index entries behind',
    now: '`Record with key "…" already exists in bucket "…"`',
    why: 'so `insertMany` says in 0.2.0 already; to replace is what `upsert` is for',
    right (step) {
      const { operation, world, theirs } = step
      if (!isInsert(operation)) return undefined
      const isStopped = operation.kind === 'insert' && errorOf(theirs).startsWith('UniqueConstraintError')
      if (!isStopped && !('value' in theirs.outcome)) return undefined
      const { id, _version: version } = 'value' in theirs.outcome
        ? theirs.outcome.value as StoreRecord
        : placed(operation.input, operation.bucket, world.definitions)
      if (operation.kind === 'upsert' && version !== 1) return undefined
      const records = world.buckets.get(operation.bucket)?.records ?? []
      if (!records.some(record => record['id'] === id)) return undefined
      const error = `Error: Record with key "${String(id)}" already exists in bucket "${operation.bucket}"`
      return refused(error, step)
    }
  },
  {
    name: 'versions',
    before: 'a key that comes again begins at 1',
    now: 'it goes on from its last version',
    why: 'an `expectedVersion` of the record before must not pass',
    right: raised
  },
  {
    name: 'restored records',
    before: 'come back with the versions of the backup',
    now: 'one that has changed or was deleted since goes on from its last version',
    why: 'no version of a key stands for two records',
    right: restored
  },
  {
    name: 'values that JSON does not have',
    before: 'are kept by reference: NaN, functions, BigInt, objects of classes, circles, any number ' +
      'of levels',
    now: '`ValidationError` that names the member; at most 100 levels',
    why: 'a log, a reply and a push would hold another record, or none',
    right: step => errorOf(step.ours).includes('A record holds what JSON can hold') &&
      !isSame(step.ours, step.theirs)
      ? refused(errorOf(step.ours), step)
      : undefined
  },
  {
    name: 'asynchronous validators',
    before: 'a promise passes as an answer',
    now: 'are waited for; what refuses a write without them, refuses it first',
    why: 'whether a name is free, a service knows',
    isCause: ({ operation, theirs, ours }) => isPartOf(errorOf(ours), errorOf(theirs)) ||
      // Of several records another one is refused first; which ones may be, says the model.
      ('bucket' in operation && operation.kind.endsWith('Many') &&
      [theirs, ours].every(side => errorOf(side).startsWith('ValidationError'))) ||
      (errorOf(theirs).startsWith('ValidationError') &&
      / already exists in bucket | in batch for bucket /.test(errorOf(ours)))
  },
  {
    name: 'text in a date',
    before: 'a field of type `date` takes any text and any number',
    now: 'a valid `Date`, epoch milliseconds or ISO 8601 text of a day of the calendar; one with a time ' +
      'and no zone is in UTC, and 24:00 the end of the day',
    why: 'the others are no points in time, and a value is the same on every machine',
    right: step => errorOf(step.ours).includes('Expected type "date", got string') &&
      !errorOf(step.theirs).includes('"date"')
      ? refused(errorOf(step.ours), step)
      : undefined,
    isCause: step => errorOf(step.ours).includes('d: Expected type "date", got')
  },
  {
    name: 'a refused insert into a full bucket',
    before: 'has evicted the oldest record',
    now: 'evicts none',
    why: 'what is refused has no effect',
    right: step => isInsert(step.operation) && isFull(step.operation, step.world) &&
      'error' in step.theirs.outcome && !isSame(step.theirs.contents, step.world.contents)
      ? refused(step.theirs.outcome.error, step)
      : undefined
  },
  {
    name: 'unique values in a full bucket',
    before: '`insertMany` counts records that it evicts at once',
    now: 'by the state that the write leads to',
    why: 'a single insert does so in 0.2.0 already',
    isCause: ({ operation, world, theirs }) => operation.kind === 'insertMany' && isFull(operation, world) &&
      errorOf(theirs).startsWith('UniqueConstraintError')
  },
  {
    name: 'the unique field that is named',
    before: 'of several that are taken, the first one of the first record',
    now: 'the first field that is taken in any record',
    why: 'fields are checked one by one, over all records of the commit',
    isCause: ({ theirs, ours }) =>
      [theirs, ours].every(side => errorOf(side).startsWith('UniqueConstraintError'))
  },
  {
    name: 'order of events',
    before: 'evicted and cascaded records first; ' +
      'in a transaction inserts, updates, deletes of one bucket each',
    now: 'the order of the writes, then what they cause; none of a record that was never stored',
    why: 'events are the changes of one commit, in order',
    right: inOrder
  },
  {
    name: 'deletes and references',
    before: 'a refused delete may have deleted half; a record that goes too still restricts; ' +
      'clear, eviction, expiry, upsert of a taken key and redefinition leave wrong references behind',
    now: 'all or nothing, by the state that it leads to',
    why: 'a commit is one step',
    isCause: step => {
      const right = rightDelete(step.operation, step.world)
      if (right === undefined || !hasReferences(step.operation, step.world)) return false
      if ('refusals' in right) return right.refusals.includes(errorOf(step.ours))
      // Setting a reference to null may be refused by a validator.
      return errorOf(step.ours).startsWith('ValidationError') ||
        isSameByKey(right.contents, step.ours.contents)
    }
  },
  {
    name: 'references of single writes',
    before: 'are checked first of all, record by record against the records before: none may refer to ' +
      'itself, or to another one of its batch',
    now: 'after schema and keys, in the state that the write leads to',
    why: 'a transaction takes the same writes',
    isCause: ({ operation, world, theirs }) => operation.kind !== 'transaction' &&
      hasReferences(operation, world) &&
      /^(?:ReferentialIntegrityError: Foreign key|BucketNotDefinedError)/.test(errorOf(theirs))
  },
  {
    name: 'a field that stored records do not fit',
    before: 'is added or changed by a new definition or migration; later updates of these records ' +
      'are refused',
    now: 'the definition is refused, naming the first such record',
    why: 'a commit is checked in the state that it leads to',
    isCause: ({ ours }) => / cannot take this definition: its record with key /.test(errorOf(ours))
  },
  {
    name: 'transactions and references',
    before: 'are not checked, and deletes do not cascade',
    now: 'are checked at the commit',
    why: 'a transaction promises no less than a single write',
    isCause: ({ operation, world }) => operation.kind === 'transaction' && hasReferences(operation, world)
  },
  {
    name: 'transactions and unique values',
    before: 'are checked write by write against the records before',
    now: 'by the state that the transaction leads to',
    why: 'values can be swapped',
    isCause: ({ operation, world }) => operation.kind === 'transaction' &&
      definitionsIn(operation, world).some(({ definition }) =>
        Object.values(definition.schema).some(({ unique }) => unique === true))
  },
  {
    name: 'transactions, `maxSize` and `ttl`',
    before: 'nothing is evicted, inserted records never expire',
    now: 'as with single writes',
    why: 'a transaction promises no less than a single write',
    isCause: ({ operation, world }) => operation.kind === 'transaction' && definitionsIn(operation, world)
      .some(({ definition }) => definition.maxSize !== undefined || definition.ttl !== undefined)
  },
  {
    name: 'one key several times in a transaction',
    before: 'delete and insert, insert twice, or insert of a taken key: ' +
      '`TransactionConflictError` at the end, or a replaced record',
    now: 'delete and insert is one change; the others are refused at once, as a single insert is',
    why: 'a conflict would be tried again, without end',
    isCause: ({ operation, theirs, ours }) => operation.kind === 'transaction' &&
      (/^Error: (Record|Duplicate)/.test(errorOf(ours)) ||
        errorOf(theirs).startsWith('TransactionConflictError') ||
        new Set(operation.steps.map(({ bucket }) => bucket)).size < operation.steps.length)
  },
  {
    name: 'numbers of a transaction',
    before: 'are counted in the transaction and given again after it has failed',
    now: 'are taken at once; one that fails has used some up',
    why: 'a number is never given twice',
    isCause: ({ operation, world }) => operation.kind === 'transaction' && definitionsIn(operation, world)
      .some(({ definition }) =>
        Object.values(definition.schema).some(({ generated }) => generated === 'autoincrement'))
  },
  {
    name: 'a bucket that a transaction asks for in vain',
    before: 'a plain `Error`',
    now: '`BucketNotDefinedError`, with the same text',
    why: 'one fault has one class',
    right: step => step.operation.kind === 'transaction' &&
      errorOf(step.ours).startsWith('BucketNotDefinedError') &&
      errorOf(step.theirs) === errorOf(step.ours).replace('BucketNotDefinedError', 'Error')
      ? refused(errorOf(step.ours), step)
      : undefined
  },
  {
    name: 'a definition that is refused',
    before: 'a plain `Error`',
    now: '`DefinitionError`, with the same text',
    why: 'one fault has one class',
    right: step => errorOf(step.ours) !== errorOf(step.theirs) &&
      errorOf(step.ours) === errorOf(step.theirs).replace(/^Error:/, 'DefinitionError:')
      ? { ...step.theirs, outcome: step.ours.outcome }
      : undefined
  },
  {
    name: 'a dropped bucket',
    before: 'comes back with its saved records when it is defined again',
    now: 'its saved state is deleted',
    why: 'dropped is dropped',
    right: ({ operation, theirs }) => operation.kind === 'define' && 'value' in theirs.outcome &&
      theirs.contents[operation.bucket]?.length !== 0
      ? { ...theirs, contents: { ...theirs.contents, [operation.bucket]: [] } }
      : undefined
  },
  {
    name: 'expiry',
    before: 'a record stays until the next round, and its key is taken',
    now: 'it is gone from `_expiresAt` on',
    why: 'a time to live is a promise',
    right: ({ operation, world, theirs, ours }) => {
      const isUp = (record: StoreRecord | undefined): boolean =>
        (record?.['_expiresAt'] as number) <= Date.now()
      // A bucket that gets a lifetime has records of an earlier one.
      const isNew = operation.kind === 'redefine' && operation.change === 2
      const contents = Object.fromEntries(Object.entries(theirs.contents).map(([name, records]) => {
        const isTimed = isNew || world.buckets.get(name)?.definition.ttl !== undefined
        return [name, isTimed ? records.filter(record => !isUp(record)) : records]
      }))
      if (isSame(contents, theirs.contents)) return undefined
      // The first read has removed them.
      const expired = ours.events.filter(({ type, record }) => type === 'deleted' && isUp(record))
      return { ...theirs, contents, events: [...theirs.events, ...expired] }
    }
  }
]

const isSameByKey = (a: Contents, b: Contents): boolean => isSame(byKey(a), byKey(b))

function byKey (contents: Contents): unknown {
  return Object.entries(contents)
    .map(([name, records]) => [name, new Map(records.map(record => [record['id'], record]))])
}
