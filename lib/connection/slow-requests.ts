import type { Client } from '../operations/context.js'
import type { Operation } from '../operations/operation.js'
import type { Principal } from '../permissions/principal.js'
import type { RequestMessage } from '../protocol/messages.js'
import { rowsIn, shortNames, type SlowLog } from '../util/slow-log.js'

/** A request and its outcome. */
export interface AnsweredRequest {
  /** `undefined` where this server does not have it. */
  readonly operation: Operation | undefined
  readonly request: RequestMessage
  /** The result; `undefined` for a request that has failed. */
  readonly data: unknown
}

/** Characters of the name of a bucket or a query that a client sends. */
const MAX_NAME = 128

/** Members of every request, which say nothing about it. */
const envelope: ReadonlySet<string> = new Set(['id', 'type', 'idempotencyKey', 'revision'])

/**
 * Logs a request that has been slow, by its operation, its resource and the names of its parameters. Not
 * those with passwords: they take long on purpose.
 */
export function logSlowRequest (
  slowLog: SlowLog,
  ms: number,
  { operation, request, data }: AnsweredRequest,
  { log, principal }: Pick<Client, 'log'> & { readonly principal: Pick<Principal, 'session'> }
): void {
  if (operation === undefined || operation.secrets.length > 0) return
  const { name } = operation
  const { query, bucket } = request
  const find = request['find'] as { readonly bucket?: unknown } | null | undefined
  const subject = [query, bucket, find?.bucket].find(text => typeof text === 'string') as string | undefined
  const resource = subject?.slice(0, MAX_NAME)
  slowLog.write(`request ${name} ${resource ?? ''}`, ms, 'a request is slow', () => ({
    operation: name,
    ...(resource !== undefined && { [query === undefined ? 'bucket' : 'query']: resource }),
    params: namesIn(request),
    rows: rowsIn(data),
    userId: principal.session?.userId
  }), log)
}

/** Returns the names of what a request gives: members, and of those that are objects their members. */
function namesIn (request: RequestMessage): string[] {
  const names: string[] = []
  for (const [member, value] of Object.entries(request)) {
    if (envelope.has(member)) continue
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    const inner = isObject ? Object.keys(value) : []
    if (inner.length === 0) names.push(member)
    else for (const name of shortNames(inner)) names.push(`${member}.${name}`)
  }
  return shortNames(names)
}
