import { Type, type TObject } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { invalid } from '../protocol/errors.js'
import { firstProblem } from '../protocol/shape.js'
import { checkFilter } from '../store/filter.js'
import type { RequestMessage } from '../protocol/messages.js'
import { EntryFields } from '../store/entry-fields.js'
import type { TransactionEntry } from '../store/transaction-entry.js'
import { placeOf, runTransaction } from '../store/transaction.js'
import {
  Count, ExpectedVersion, GroupBy, incrementFields, JsonObject, Key, MaybeLimit, MaybeObject, Name,
  RecordBatch
} from '../protocol/fields.js'
import type { Tier, ResourceAccess } from '../permissions/policy.js'
import { defineOperation, lengthOf, memberIn, nameIn, type Operation, type ResourcesOf } from './operation.js'

/**
 * Entries of a transaction.
 * @limit `VALIDATION_ERROR`
 */
const MAX_ENTRIES = 1_000

/**
 * Records of all `insertMany` of a transaction.
 * @limit `VALIDATION_ERROR`
 */
const MAX_RECORDS = 10_000

/** The fields of each kind of entry, beside `op`. PROTOCOL.md, "Transactions". */
const entryFields: Readonly<Record<TransactionEntry['op'], TObject>> = {
  get: Type.Object({ bucket: Name, key: Key }),
  insert: Type.Object({ bucket: Name, data: JsonObject }),
  insertMany: Type.Object({ bucket: Name, data: RecordBatch }),
  upsert: Type.Object({ bucket: Name, data: JsonObject, expectedVersion: ExpectedVersion }),
  update: Type.Object({ bucket: Name, key: Key, data: JsonObject, expectedVersion: ExpectedVersion }),
  increment: Type.Object(incrementFields),
  updateMany: Type.Object({ bucket: Name, filter: JsonObject, data: JsonObject }),
  delete: Type.Object({ bucket: Name, key: Key, expectedVersion: ExpectedVersion }),
  deleteMany: Type.Object({ bucket: Name, filter: JsonObject }),
  where: Type.Object({ bucket: Name, filter: JsonObject, limit: MaybeLimit }),
  findOne: Type.Object({ bucket: Name, filter: JsonObject }),
  count: Type.Object({ bucket: Name, filter: MaybeObject }),
  groupBy: GroupBy
}

/** An entry, of any kind. */
const Entry = Type.Union(Object.entries(entryFields).map(([op, { properties }]) =>
  Type.Object({ op: Type.Literal(op), ...properties })))

const size = { minItems: 1, maxItems: MAX_ENTRIES }

const entrySchemas = new Map<string, Validator>(
  Object.entries(entryFields).map(([op, fields]) => [op, Compile(fields)])
)

/** `store.transaction`: all entries take effect, or none. PROTOCOL.md, "Transactions". */
export const storeTransaction: Operation = defineOperation({
  name: 'store.transaction',
  tier: 'write',
  takesKey: true,
  request: Type.Object({ operations: Type.Array(Type.Unknown(), size) }),
  documented: Type.Object({
    operations: Type.Array(Entry, { ...size, description: 'array of 1 to 1,000 entries' })
  }),
  resources: resourcesOfEntries,
  resource: request => bucketsIn(request).length === 1 ? bucketsIn(request)[0] as string : '*',
  details: request => ({ buckets: bucketsIn(request) }),
  charges: request => [
    { operation: 'store.transaction', times: 1 },
    { operation: 'store.insertMany', times: insertedIn(request) }
  ],
  check (request) {
    request.operations.forEach(checkEntry)
    const records = (request.operations as TransactionEntry[]).reduce(
      (sum, entry) => sum + (entry.op === 'insertMany' ? entry.data.length : 0),
      0
    )
    if (records > MAX_RECORDS) {
      throw invalid('operations', `must not insert more than ${MAX_RECORDS} records by insertMany`)
    }
  },
  output: Type.Object({ results: Type.Array(Type.Object({ index: Count, data: Type.Unknown() })) }),
  errors: ['BUCKET_NOT_DEFINED', 'NOT_FOUND', 'CONFLICT', 'ALREADY_EXISTS'],
  async run ({ server: { sharedStore }, grant }, request) {
    const entries = request.operations as TransactionEntry[]
    const fields = new EntryFields(sharedStore)
    for (const [index, entry] of entries.entries()) {
      const checking = fields.check(entry, grant, `${placeOf(index)}.`)
      if (checking !== undefined) await checking
    }
    return await runTransaction(sharedStore, entries, grant)
  },
  reply: results => ({ results: results.map((data, index) => ({ index, data: data ?? null })) })
})

function checkEntry (entry: unknown, index: number): void {
  const path = placeOf(index)
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    throw invalid(path, 'must be an object')
  }
  const { op, filter } = entry as { op?: unknown, filter?: unknown }
  const schema = typeof op === 'string' ? entrySchemas.get(op) : undefined
  if (schema === undefined) {
    throw invalid(`${path}.op`, `must be one of ${[...entrySchemas.keys()].join(', ')}`)
  }
  if (!schema.Check(entry)) throw firstProblem(schema, entry, path)
  if (filter != null) checkFilter(filter, `${path}.filter`)
}

/** The tier of the operation that an entry stands for, which it needs the right to. */
const entryTiers: Readonly<Record<TransactionEntry['op'], Tier>> = {
  get: 'read',
  where: 'read',
  findOne: 'read',
  count: 'read',
  groupBy: 'read',
  insert: 'write',
  insertMany: 'write',
  upsert: 'write',
  update: 'write',
  updateMany: 'write',
  increment: 'write',
  delete: 'write',
  deleteMany: 'write'
}

/**
 * Names each bucket for the transaction itself, and for each entry the operation that it stands for. Invalid
 * entries are left to validation.
 */
function resourcesOfEntries (...[request, self]: Parameters<ResourcesOf>): readonly ResourceAccess[] {
  const operations: unknown = request['operations']
  const resources: ResourceAccess[] = []
  for (const entry of Array.isArray(operations) ? operations as unknown[] : []) {
    const { op, bucket } = (entry ?? {}) as { op?: unknown, bucket?: unknown }
    const name = nameIn(bucket)
    if (isEntry(op)) {
      resources.push({ operation: `store.${op}`, tier: entryTiers[op], type: 'bucket', name, records: true })
    }
  }
  return [
    ...bucketsIn(request).map(name => ({ ...self, type: 'bucket' as const, name, records: true })),
    ...resources
  ]
}

/** Returns the buckets of the entries, each once; `*` for an entry without one, and where there are none. */
function bucketsIn ({ operations }: RequestMessage): string[] {
  // The usual case of a step of a procedure, without a set.
  if (Array.isArray(operations) && operations.length === 1) return [nameIn(memberIn(operations[0], 'bucket'))]
  const buckets = new Set(
    Array.isArray(operations)
      ? operations.map((entry: unknown) => nameIn((entry as { bucket?: unknown } | null | undefined)?.bucket))
      : []
  )
  return buckets.size === 0 ? ['*'] : [...buckets]
}

/** Returns the number of records of all `insertMany` entries. */
function insertedIn ({ operations }: RequestMessage): number {
  if (!Array.isArray(operations)) return 0
  const batches = (operations as unknown[]).filter(entry => memberIn(entry, 'op') === 'insertMany')
  return batches.reduce<number>((sum, entry) => sum + lengthOf(memberIn(entry, 'data')), 0)
}

function isEntry (op: unknown): op is TransactionEntry['op'] {
  return typeof op === 'string' && Object.hasOwn(entryTiers, op)
}
