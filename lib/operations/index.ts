import { NoexServerError } from '../errors.js'
import type { Operation } from './operation.js'
import { server } from './server.js'
import { storeAdmin } from './store-admin.js'
import { storeQuery } from './store-query.js'
import { storeRead } from './store-read.js'
import { storeTransaction } from './store-transaction.js'
import { storeWrite } from './store-write.js'

/** The table of operations: dispatch, validation, permissions, audit and the protocol reference read it and nothing else. */
export const operations: ReadonlyMap<string, Operation> = new Map(
  [...storeRead, ...storeWrite, storeTransaction, ...storeQuery, ...storeAdmin, ...server].map(operation => [operation.name, operation])
)

/** Namespaces whose feature is absent, and what is answered to all of their operations. */
const unavailable = new Map<string, () => NoexServerError>([
  ['rules', () => new NoexServerError('RULES_NOT_AVAILABLE', 'No rule engine is configured')]
])

/**
 * Finds the operation that a request names.
 * @throws `UNKNOWN_OPERATION`, or `RULES_NOT_AVAILABLE` for the `rules` namespace
 */
export function operationFor (type: string): Operation {
  const operation = operations.get(type)
  if (operation !== undefined) return operation
  const namespace = type.slice(0, Math.max(type.indexOf('.'), 0))
  throw unavailable.get(namespace)?.() ?? new NoexServerError('UNKNOWN_OPERATION', 'The operation is unknown')
}
