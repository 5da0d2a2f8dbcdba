import type { LogGuard } from '../application/log-guard.js'
import { CallAudit } from '../audit/call-audit.js'
import type { AuditTrail } from '../audit/trail.js'
import type { HttpAuthorizer } from '../auth/http-authorizer.js'
import { Callers } from '../connection/callers.js'
import { Calls } from '../connection/calls.js'
import type { Connections } from '../connection/connections.js'
import type { DispatchContext } from '../connection/dispatch.js'
import type { RefusalLog } from '../connection/refusal-log.js'
import type { RequestOriginResolver } from '../handshake/request-origin.js'
import { CallQuota } from '../limits/call-quota.js'
import type { Rejections } from '../limits/rejections.js'
import type { ResolvedOptions } from '../options/options.js'
import type { RequestHeaders } from '../protocol/session.js'
import type { Clock } from '../util/clock.js'
import type { Log } from '../util/log.js'
import { ApplicationCalls } from './application-calls.js'
import { HttpCalls } from './http-calls.js'

/** The parts of the service that operations without a connection work with. */
interface CallsEnvironment {
  readonly clock: Clock
  readonly log: Log
  readonly logGuard: LogGuard
  readonly trail: AuditTrail | undefined
  readonly rejections: Rejections
  readonly refusals: RefusalLog
  /** Share their quotas, rights and presences with calls. */
  readonly connections: Connections
  readonly dispatchContext: DispatchContext
  readonly httpAuthorizer: HttpAuthorizer
  readonly originResolver: RequestOriginResolver
  /** Returns the headers that an authenticator may read. */
  readonly retainedHeaders: (headers: RequestHeaders) => RequestHeaders
  /** Whether the account of a user may not be used. */
  readonly isBarred: (userId: string) => boolean
}

/** The parts that call operations without a connection. */
interface StartedCalls {
  readonly calls: Calls
  readonly applicationCalls: ApplicationCalls
  readonly httpCalls: HttpCalls
}

/** Makes the parts that call operations without a connection: for the application, and over HTTP. */
export function startCalls (
  { auth, allowedOrigins, maxPayloadBytes, exposeErrorDetails, shutdown }: ResolvedOptions,
  environment: CallsEnvironment
): StartedCalls {
  const {
    clock, log, logGuard, trail, rejections, refusals, connections, dispatchContext, originResolver
  } = environment
  const { maxUnauthenticatedPayloadBytes, requiresAuth } = connections
  const callAudit = trail && new CallAudit(trail, clock)
  const { quota, liveQueries, authorizer, authenticator, isRevoked, presences } = connections
  const calls = new Calls({
    clock, quota, liveQueries, authorizer, authenticator, isRevoked, presences, callAudit
  }, dispatchContext, shutdown.reconnectWindowMs)
  const callers = new Callers({ ...environment, allowedOrigins })
  return {
    calls,
    applicationCalls: new ApplicationCalls({ calls, callers, callAudit, originResolver, logGuard, log }),
    httpCalls: new HttpCalls({
      calls,
      callers,
      callQuota: new CallQuota(maxUnauthenticatedPayloadBytes, rejections),
      callAudit,
      originResolver,
      requestMetrics: dispatchContext.requestMetrics,
      refusals,
      requiresOrigin: auth?.mode === 'gateway',
      requiresAuth,
      maxPayloadBytes,
      maxUnauthenticatedPayloadBytes,
      exposeErrorDetails
    })
  }
}
