import { DatabaseRefusal } from '../postgres/connection.js'

/**
 * Whether an error of the database says for certain that nothing was done: one of a statement, not of a
 * connection or of a server that ends.
 */
export function isDefinite (error: unknown): boolean {
  if (error instanceof DatabaseRefusal) return true
  const { code, syscall } = error as { readonly code?: unknown, readonly syscall?: unknown }
  return typeof code === 'string' && syscall === undefined && /^[0-9A-Z]{5}$/.test(code) &&
    !/^(08|57P)/.test(code)
}

/** Remedies by the code of the error. */
const remedies: ReadonlyArray<readonly [code: RegExp, remedy: string]> = [
  [/^53100$/, 'the disk of the database is full: make room there'],
  [/^53300$/, 'the database has no connection left: raise max_connections, or end others'],
  [/^25006$/, 'the database is read-only: connect to the primary, or set default_transaction_read_only off'],
  [/^42501$/, 'the role of cluster.postgres has lost its rights: GRANT SELECT, INSERT, UPDATE, DELETE on ' +
    'noex_lease, noex_log and noex_snapshot to it'],
  [/^42P01$/, 'the tables are gone: bring them back from a backup'],
  [/^28/, 'the database does not let the role of cluster.postgres in: check its name and password'],
  [/^3D000$/, 'the database of cluster.postgres does not exist: create it'],
  [/^57014$/, 'the database took too long: look for what holds it up']
]

/** Returns the error with the remedy, where there is one. */
export function withRemedy (error: unknown): Error {
  const { code, message } = error as Error & { readonly code?: unknown }
  const [, remedy] = remedies.find(([pattern]) => pattern.test(String(code))) ?? []
  if (remedy === undefined) return error as Error
  return Object.assign(new Error(`${message}: ${remedy}`, { cause: error }), { code })
}
