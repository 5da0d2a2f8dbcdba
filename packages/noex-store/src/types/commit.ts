import type { DeclarativeQueryConfig } from './query.js'
import type { StoreRecord } from './record.js'
import type { BucketDefinition } from './schema.js'

/** A record that a commit has inserted, updated or deleted. A commit has at most one for a key. */
export interface RecordChange {
  readonly type: 'insert' | 'update' | 'delete'
  readonly bucket: string
  readonly key: unknown
  /** The record before, `undefined` for an insert. */
  readonly before: StoreRecord | undefined
  /** The record after, `undefined` for a delete. */
  readonly after: StoreRecord | undefined
  /**
   * Place in the order of insertion of the bucket in this process: a greater one for each new record, the
   * same one for all changes of a record. Absent in a commit that comes from a log, until it is applied.
   */
  readonly place?: number
  /** Present on a change that a delete of the commit has caused, by the `onDelete` of a reference. */
  readonly isCaused?: true
}

/** A record that a commit is about to write or delete. */
export interface PendingWrite {
  readonly bucket: string
  /** As keys are compared: see `Store.keyOf`. */
  readonly key: unknown
  readonly isDelete: boolean
}

/** A bucket that has lost all its records at once. */
export interface ClearChange {
  readonly type: 'clear'
  readonly bucket: string
}

/** Deleted keys that a bucket remembers, so that no version of a key comes again. */
export interface RememberedKeys {
  /** Highest version of a deleted key that is not among them. */
  readonly floor: number
  /** The newest deleted keys, oldest first: key, last version, number of records before it in their order. */
  readonly deleted: ReadonlyArray<readonly [key: unknown, version: number, position: number]>
}

/** A bucket that was defined, redefined or dropped. */
export interface DefinitionChange {
  readonly type: 'define' | 'redefine' | 'drop'
  readonly bucket: string
  /** The definition after, `undefined` for a drop. */
  readonly definition: BucketDefinition | undefined
  /** Paths of the functions in the definition, which a log does not hold: `schema.age.validate`. */
  readonly functions?: readonly string[]
  /** The records that a definition starts with; `undefined` for none, or for those of before. */
  readonly records?: readonly StoreRecord[]
  /** Deleted keys of where the records come from: a saved state, a backup, the store of a new log. */
  readonly remembered?: RememberedKeys
}

/** A declarative query that was defined or, with `config` undefined, a query that was removed. */
export interface QueryChange {
  readonly type: 'query'
  readonly query: string
  readonly config: DeclarativeQueryConfig | undefined
}

/** One change in a commit: of a record, a definition, a whole bucket or a query. */
export type Change = RecordChange | ClearChange | DefinitionChange | QueryChange

/** A request that is done once, however often it comes, as its commit has it. */
export interface IdempotentRequest {
  /** Names the request among those of the user of the commit. */
  readonly key: string
  /** Digest of the request: the same key with another one is a mistake of the writer. */
  readonly request: string
  /** Time up to which it is remembered, in epoch milliseconds. */
  readonly until: number
  /** Text of the answer; `undefined` where it was too long to be kept. */
  readonly answer?: string
  /** Text of the writer that says on which rights the answer rests. */
  readonly rights?: string
}

/** A request that a store remembers. */
export interface RememberedRequest extends IdempotentRequest {
  /** The user of its commit; requests without one share one scope. */
  readonly user?: string
  /** The commit that it came with. */
  readonly revision: number
}

/** One atomic step of a store: everything in it happened together. */
export interface Commit {
  /** One more than that of the commit before. */
  readonly revision: number
  /** Time of the commit, in epoch milliseconds. */
  readonly time: number
  readonly changes: readonly Change[]
  /** The user that caused it, where the writer has told. */
  readonly user?: string
  /** The writer, where it has named itself. Only in the process that has written: no log has it. */
  readonly writer?: object
  /** Text of its writer, which is in the log together with it. */
  readonly note?: string
  /** The request that it did, where that is to be remembered. */
  readonly idempotency?: IdempotentRequest
  /** Last given autoincrement numbers of the buckets whose number has moved. */
  readonly counters?: Readonly<Record<string, number>>
  /** Present on a commit that is heard again because it is taken back. */
  readonly undone?: true
}

/** The answer of a request, as it is remembered. */
export interface RequestAnswer {
  /** At most 65,536 bytes of UTF-8: a longer one is not kept. */
  readonly text: string | undefined
  /** Text of the writer that says on which rights the answer rests; at most 8,192 characters. */
  readonly rights?: string | undefined
}

/** A request that is to be done once, however often it comes. */
export interface RequestToRemember {
  /** Names the request among those of its user; 1 to 64 characters. */
  readonly key: string
  /** Digest of the request; at most 256 characters. */
  readonly request: string
  /** Time for which it is remembered, in milliseconds. */
  readonly windowMs: number
  /**
   * Returns the answer to remember. It is called in the step that commits, with the value that the write
   * resolves with, and must not write itself. When it throws, or its texts are too long, `onListenerError`
   * hears of it and the request is remembered without an answer.
   */
  readonly answer: (result: unknown) => RequestAnswer
}

/** Members that a writer may add to its commit. */
export interface WriteOptions {
  /** User that the commit names. */
  readonly user?: string
  /** Object that names the writer to the listeners of commits in this process. */
  readonly writer?: object
  /**
   * Returns a text that the commit keeps in the log, of at most 65,536 characters: `Store.notes` reads it.
   * It is called in the step that commits, with the revision, and must not write itself. When it throws, or
   * the text is longer, `onListenerError` hears of it and the commit has no note.
   */
  readonly note?: (revision: number) => string
  /**
   * The request that is remembered with the commit, in the log and in snapshots, so that `Store.requests`
   * finds it, also after a restart. Then a write that changes nothing commits, too. One that is remembered
   * already is refused by `RequestRepeatedError`.
   */
  readonly idempotency?: RequestToRemember
  /** Version that the record must have; another one is refused by `TransactionConflictError`. */
  readonly expectedVersion?: number
  /**
   * Most changes that the commit may have; more are refused by `CommitTooLargeError`.
   * @default Infinity
   */
  readonly maxChanges?: number
  /**
   * Called in the step that commits, before its checks, with the records that it is about to write, those
   * aside which its deletes cause; none for a commit of whole buckets or definitions. It throws to refuse the
   * write, for instance where something does not hold any more that the writer has looked at before. It must
   * not write itself.
   */
  readonly beforeCommit?: (writes: Iterable<PendingWrite>) => void
}

/** Members that a transaction may have. */
export interface TransactionOptions extends WriteOptions {
  /**
   * When `Store.transaction` resolves. Once it is committed, others see it, and it may still be taken back:
   * `Store.whenDurable` and the end of `Store.beginRead` wait for what is left.
   * @default 'durable'
   */
  readonly until?: 'durable' | 'committed'
}

/** Members that the writer of a definition may add to its commit. */
export type DefinitionOptions = Pick<WriteOptions, 'user' | 'writer' | 'note' | 'beforeCommit'>

/** The changes of an update, or the function that makes them of the record as it is in that moment. */
export type Changes = Readonly<Record<string, unknown>> |
  ((record: StoreRecord) => Readonly<Record<string, unknown>>)

/** Members that the writer of an upsert may add. */
export interface UpsertOptions extends WriteOptions {
  /** The changes of the record, where there is one. @default those that are inserted otherwise */
  readonly update?: Changes
}

/** The members of a commit that tell of its cause. */
export type CommitCause = Pick<WriteOptions, 'user' | 'writer' | 'note'>

/** Members of a commit that does nothing but remember a request. */
export type RememberOptions = CommitCause & Pick<WriteOptions, 'beforeCommit'> &
  Required<Pick<WriteOptions, 'idempotency'>>

/** Note of a commit of the log. */
export interface CommitNote {
  readonly revision: number
  /** Time of the commit, in epoch milliseconds. */
  readonly time: number
  readonly note: string
}
