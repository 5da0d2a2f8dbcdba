import t from 'tap'
import * as storeExports from '@hamicek/noex-store'
import type { StoreError } from '@hamicek/noex-store'
import type { NoexErrorCode } from '../../../lib/protocol/errors.js'
import { toReplyError } from '../../../lib/store/store-errors.js'

const {
  AggregateOverflowError, BackupNotFoundError, BucketAlreadyExistsError, BucketNotDefinedError,
  ChecksumMismatchError, CommitMismatchError, CommitTooLargeError, CorruptedStateError, DefinitionError,
  DefinitionMismatchError, DefinitionMissingError, DeserializationError, DuplicateKeyError, FilterError,
  InputTooLargeError, LogAheadError, LogFollowedError, LogRefusedError, LogUnansweredError, NotLeaderError,
  OutOfScopeError, PersistenceError,
  PersistenceRequiredError, QueryAlreadyDefinedError, QueryNotDefinedError, QuotaExceededError,
  RecordExistsError, RecordNotFoundError, ReferentialIntegrityError, RequestRepeatedError, SerializationError,
  StorageError,
  StoreStoppedError, StoreUnavailableError, TooManyRunsError, TransactionConflictError, UniqueConstraintError,
  ValidationError, ValidatorError, VersionMismatchError, WorkBudgetError
} = storeExports

const SECRET = 'secret'
const issues = [{ field: 'n', message: 'Field is required', code: 'required' }]
const reference = ['orders', 'customer', 'customers', SECRET] as const
const held = { bucket: 'orders', field: 'customer', target: 'customers', key: SECRET }
const taken = { bucket: 'b', field: 'id', value: SECRET }

/** Errors of the store with the code, the message and the details of the reply. */
const replies: ReadonlyArray<readonly [StoreError, NoexErrorCode, RegExp, object?]> = [
  [new AggregateOverflowError('n'), 'VALIDATION_ERROR', /sum overflows/],
  [new BucketAlreadyExistsError('b'), 'ALREADY_EXISTS', /"b" already exists/],
  [new BucketNotDefinedError('b'), 'BUCKET_NOT_DEFINED', /"b" is not defined/],
  [new CommitTooLargeError(6, 5), 'VALIDATION_ERROR', /maxCommitChanges, 5/, { maxCommitChanges: 5 }],
  [new DefinitionError('key is missing'), 'VALIDATION_ERROR', /^key is missing$/],
  [new DefinitionMissingError('b', ['n.validate']), 'INTERNAL_ERROR', /"b" takes no writes/,
    { reason: 'definition_missing', bucket: 'b' }],
  [new DuplicateKeyError('b', SECRET, 'id'), 'ALREADY_EXISTS', /primary key, "id"/, taken],
  [new FilterError('$in of "n" must be an array'), 'VALIDATION_ERROR', /^\$in of "n" must be an array$/],
  [new InputTooLargeError('b', 'record', 9), 'VALIDATION_ERROR', /record has more than 9 bytes .*"b"/,
    { bucket: 'b', subject: 'record', limit: 9 }],
  [new InputTooLargeError('b', 'operation', 9), 'VALIDATION_ERROR', /request has more than 9 bytes .*"b"/,
    { bucket: 'b', subject: 'operation', limit: 9 }],
  [new NotLeaderError(SECRET), 'INTERNAL_ERROR', /takes no writes/, { reason: 'store_unavailable' }],
  [new OutOfScopeError('b', SECRET), 'FORBIDDEN', /"b" outside/],
  [new QueryAlreadyDefinedError('q'), 'ALREADY_EXISTS', /"q" already exists/],
  [new QueryNotDefinedError('q'), 'QUERY_NOT_DEFINED', /"q" is not defined/],
  [new QuotaExceededError('b', 'maxBytes', 9), 'VALIDATION_ERROR', /"b" is full: its maxBytes is 9/,
    { bucket: 'b', quota: 'maxBytes', limit: 9 }],
  [new RecordExistsError('b', SECRET, 'id'), 'ALREADY_EXISTS', /primary key, "id"/, taken],
  [new RecordNotFoundError('b', SECRET), 'NOT_FOUND', /does not exist in bucket "b"/],
  [new ReferentialIntegrityError(SECRET, 'REFERENCE_MISSING', ...reference), 'VALIDATION_ERROR',
    /"customer" refers to a record of bucket "customers" that does not exist/, held],
  [new ReferentialIntegrityError(SECRET, 'REFERENCE_HELD', ...reference), 'CONFLICT',
    /Records of bucket "orders" refer to this record by "customer"/, held],
  [new RequestRepeatedError(SECRET), 'CONFLICT', /idempotencyKey/],
  [new StoreUnavailableError(SECRET, {}, true), 'INTERNAL_ERROR', /not known yet whether the write was made/,
    { reason: 'store_unavailable', outcome: 'unknown' }],
  [new StoreUnavailableError(SECRET), 'INTERNAL_ERROR', /takes no writes/, { reason: 'store_unavailable' }],
  [
    new TransactionConflictError('b', SECRET, SECRET),
    'CONFLICT',
    /"b" was changed/,
    { bucket: 'b', key: SECRET }
  ],
  [new UniqueConstraintError('b', 'n', SECRET), 'ALREADY_EXISTS', /another record with this "n"/,
    { bucket: 'b', field: 'n', value: SECRET }],
  [new ValidationError('b', issues), 'VALIDATION_ERROR', /"b": n: Field is required/, issues],
  [new VersionMismatchError('b', SECRET, 2, undefined), 'CONFLICT', /"b" is not at version 2/,
    { bucket: 'b', key: SECRET, expectedVersion: 2, version: null }],
  [new WorkBudgetError('b', 9, 8), 'VALIDATION_ERROR', /the 8 units/, { workBudget: 8 }]
]

/** Faults of the server and the application: the client learns `INTERNAL_ERROR`, the log the rest. */
const faults: readonly Error[] = [
  new BackupNotFoundError('x'), new ChecksumMismatchError('k', 'a', 'b'), new CommitMismatchError('x'),
  new CorruptedStateError('k', 'x'), new DefinitionMismatchError('b', 'key'), new DeserializationError('x'),
  new LogRefusedError('x'), new LogAheadError('x'), new LogFollowedError('x'), new LogUnansweredError('x'),
  new PersistenceError('x'), new PersistenceRequiredError('back up'),
  new SerializationError('x'), new StorageError('save', 'x'), new StoreStoppedError('s'),
  new TooManyRunsError('q', 9), new ValidatorError('b', 'validate of "n"', 'must return a text')
]

t.test('each error of the store has its reply', async t => {
  for (const [error, code, message, details] of replies) {
    const reply = toReplyError(error)
    t.match(reply, { code, message }, error.code)
    t.same(reply?.details, details, `details of ${error.code}`)
    t.notMatch(reply?.message, new RegExp(SECRET), `the message of ${error.code} has no value of a record`)
  }
  for (const error of faults) t.equal(toReplyError(error), undefined, error.constructor.name)
})

t.test('no class of errors that the store exports is left out', async t => {
  const known = new Set([...replies.map(([error]) => error), ...faults].map(({ constructor }) => constructor))
  const classes = Object.values(storeExports).filter((value): value is typeof Error =>
    typeof value === 'function' && value.prototype instanceof Error &&
    value !== storeExports.StoreError as unknown)
  t.ok(classes.length > 30, 'there are classes')
  t.same(classes.filter(value => !known.has(value)).map(({ name }) => name), [])
})

t.test('an error of a later version of the store has no reply of its own', async t => {
  const later = Object.assign(new StoreStoppedError('s'), { code: 'toString' })
  t.equal(toReplyError(later), undefined)
})
