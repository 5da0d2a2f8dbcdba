import type { RequestMetrics } from '../metrics/request-metrics.js'
import type { Client } from '../operations/context.js'
import type { Operation } from '../operations/operation.js'
import type { Principal } from '../permissions/principal.js'
import type { NoexErrorCode } from '../protocol/errors.js'
import type { RequestMessage } from '../protocol/messages.js'
import { charsOf } from '../protocol/parts.js'
import type { Clock } from '../util/clock.js'
import { rowsIn, shortNames, shortText } from '../util/short-text.js'
import type { SlowLog } from '../util/slow-log.js'
import type { Reply } from './held-replies.js'

/** A request and its outcome. */
interface AnsweredRequest {
  /** `undefined` where this server does not have it. */
  readonly operation: Operation | undefined
  readonly request: RequestMessage
  /** The result; `undefined` for a request that has failed. */
  readonly data: unknown
  readonly reply: Reply
  /** Ticks of the clock at its arrival. */
  readonly since: number
}

/** Where answers are counted. */
interface AnswerCounts {
  readonly requestMetrics: RequestMetrics
  readonly slowLog: SlowLog
  readonly server: { readonly clock: Clock }
}

type Asker = Pick<Client, 'log'> & { readonly principal: Pick<Principal, 'session'> }

/** Characters of the name of a bucket or a query that a client sends. */
const MAX_NAME = 128

/** Members of every request, which say nothing about it. */
const envelope: ReadonlySet<string> = new Set(['id', 'type', 'idempotencyKey', 'revision'])

/**
 * Counts a request when its reply may be sent, which an audit entry that is not durable yet delays, and logs
 * it where that has taken long.
 */
export function countAnswer (
  answered: AnsweredRequest, released: Promise<boolean> | undefined, client: Asker, counts: AnswerCounts
): void {
  const code = answered.reply.failure?.code
  if (released === undefined) {
    count(answered, code, client, counts)
  } else {
    released.then(isDurable => { count(answered, isDurable ? code : 'INTERNAL_ERROR', client, counts) })
  }
}

function count (
  answered: AnsweredRequest, code: NoexErrorCode | undefined, client: Asker,
  { requestMetrics, slowLog, server }: AnswerCounts
): void {
  const ms = server.clock.ticks() - answered.since
  requestMetrics.ended(answered.operation?.name, code, ms, charsOf(answered.reply.text))
  if (slowLog.isSlow(ms)) logSlow(slowLog, ms, answered, client)
}

/**
 * Logs a request by its operation, its resource and the names of its parameters. Not those with passwords:
 * they take long on purpose.
 */
function logSlow (
  slowLog: SlowLog, ms: number, { operation, request, data }: AnsweredRequest, { log, principal }: Asker
): void {
  if (operation === undefined || operation.secrets.length > 0) return
  const { name } = operation
  const { query, bucket } = request
  const find = request['find'] as { readonly bucket?: unknown } | null | undefined
  const subject = [query, bucket, find?.bucket].find(text => typeof text === 'string') as string | undefined
  const resource = subject && shortText(subject, MAX_NAME)
  slowLog.write(`request ${name} ${resource ?? ''}`, ms, 'a request is slow', () => ({
    operation: name,
    ...(resource !== undefined && { [typeof query === 'string' ? 'query' : 'bucket']: resource }),
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
