import { setImmediate as nextTurn } from 'node:timers/promises'
import { encode, parseEncoded } from '../storage/tagged-value.js'
import type { Change } from '../types/commit.js'
import type { StoreRecord } from '../types/record.js'
import type { LogEntry } from './change-log.js'

/** Records of a definition up to which its line is made in one step. */
const MAX_AT_ONCE = 1_000
/** Time that texts are made before other work has its turn, in milliseconds. */
const SLICE_MS = 5

/**
 * Returns the line of an entry, without its revision; a promise where that takes long and is done in slices.
 * Members that are not JSON by themselves are encoded alone: to look at the whole entry takes longer than to
 * write it. The writer is of this process. A note comes first, where it is found without reading the rest.
 */
export function lineOfEntry (entry: LogEntry): string | Promise<string> {
  if (isLong(entry)) return longLineOf(entry)
  const { note, ...rest } = entry
  const changes = entry.changes.map(loggedChange)
  return JSON.stringify({ note, ...rest, writer: undefined, revision: undefined, changes })
}

/** Whether it takes long to make the line of an entry: one with many records, or requests. */
function isLong ({ changes, requests = [] }: LogEntry): boolean {
  return requests.length > MAX_AT_ONCE ||
    changes.some(change => 'records' in change && (change.records?.length ?? 0) > MAX_AT_ONCE)
}

/** Makes the same line, but for the order of its members. */
async function longLineOf (entry: LogEntry): Promise<string> {
  const changes: string[] = []
  let began = performance.now()
  const textsOf = async (list: readonly object[]): Promise<string[]> => {
    const texts: string[] = []
    for (const item of list) {
      texts.push(JSON.stringify(encode(item)))
      if (performance.now() - began < SLICE_MS) continue
      await nextTurn()
      began = performance.now()
    }
    return texts
  }
  for (const change of entry.changes) {
    const { records = undefined, ...rest } = 'records' in change ? change : {}
    if (records === undefined) {
      changes.push(JSON.stringify(loggedChange(change)))
      continue
    }
    changes.push(withLast(textOf(rest), 'records', await textsOf(records)))
  }
  const { revision: _revision, writer: _writer, changes: _changes, requests = [], note, ...rest } = entry
  const line = textOf(note === undefined ? rest : { note, ...rest })
  const withRequests = requests.length === 0 ? line : withLast(line, 'requests', await textsOf(requests))
  return withLast(withRequests, 'changes', changes)
}

function textOf (object: object): string {
  return JSON.stringify(encode(object))
}

/** Returns the text of an object that has members, and behind them one more: a list of these texts. */
function withLast (object: string, name: string, texts: readonly string[]): string {
  return `${object.slice(0, -1)},"${name}":[${texts.join(',')}]}`
}

/** Of a record before, the log keeps what tells whether the change fits. */
function loggedChange (change: Change): unknown {
  if (!('key' in change)) return encode(change)
  const { type, bucket, key, before, after } = change
  return {
    type,
    bucket,
    key: encode(key),
    before: before && beginningOf(before),
    after: after && encode(after)
  }
}

function beginningOf ({ _version, _createdAt, _updatedAt }: StoreRecord): Partial<StoreRecord> {
  return { _version, _createdAt, _updatedAt }
}

const types: ReadonlySet<string> = new Set<Change['type']>(
  ['insert', 'update', 'delete', 'clear', 'define', 'redefine', 'drop', 'query']
)

/** Whether this version knows a type of changes. */
export function isChangeType (type: unknown): type is Change['type'] {
  return typeof type === 'string' && types.has(type)
}

/**
 * Reads a line; changes of records have the members again that JSON leaves out.
 * @throws where it has a change or a value that this version does not know
 */
export function entryOfLine (line: string, revision: number): LogEntry {
  const entry = parseEncoded(line) as LogEntry
  const changes = entry.changes.map(change => {
    if (!isChangeType(change.type)) throw new Error(`it has a change of type ${JSON.stringify(change.type)}`)
    return 'key' in change ? { ...change, before: change.before, after: change.after } : change
  })
  return { ...entry, changes, revision }
}
