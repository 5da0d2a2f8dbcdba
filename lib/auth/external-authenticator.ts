import { ApplicationCallback } from '../application/application-callback.js'
import type { CallbackEnvironment } from '../application/failure-log.js'
import type { Clock } from '../util/clock.js'
import type { Authenticator } from './authenticator.js'
import type { ResolvedExternal } from './auth-options.js'
import { readSession, type Origin, type Session } from '../protocol/session.js'
import { explainedBy, TokenRefusal } from './token-refusal.js'

/** Authenticates by `auth.validate`. Each session keeps its token, so that it can be confirmed. */
export class ExternalAuthenticator implements Authenticator {
  readonly #validate: ApplicationCallback<[token: string, origin: Origin]>
  readonly #timeoutMs: number
  readonly #toleranceMs: number
  readonly #revalidateMs: number | false
  readonly #clock: Clock

  constructor (
    auth: Pick<ResolvedExternal, 'validate' | 'revalidateMs' | 'validateTimeoutMs'>,
    environment: CallbackEnvironment
  ) {
    const explained = explainedBy(auth.validate)
    const validate = explained?.explain ?? auth.validate
    this.#validate = new ApplicationCallback('auth.validate', validate, environment)
    this.#toleranceMs = explained?.toleranceMs ?? 0
    this.#timeoutMs = auth.validateTimeoutMs
    this.#revalidateMs = auth.revalidateMs
    this.#clock = environment.clock
  }

  async identify (token: string, origin: Origin): Promise<Session | TokenRefusal> {
    const validatedAt = this.#clock.ticks()
    const sessionIn = (found: unknown): Session | TokenRefusal => {
      if (found instanceof TokenRefusal) return found
      if (found == null) return new TokenRefusal('auth.validate says that it is no good')
      const now = this.#clock.now()
      return new ExternalSession(found, { token, validatedAt, toleranceMs: this.#toleranceMs, now })
    }
    return await this.#validate.ask(this.#timeoutMs, sessionIn, token, origin)
  }

  isStale (session: Session): boolean {
    return (
      this.#revalidateMs !== false &&
      session instanceof ExternalSession &&
      this.#clock.ticks() - session.validatedAt >= this.#revalidateMs
    )
  }

  async confirm (session: Session, origin: Origin): Promise<Session | TokenRefusal> {
    if (!(session instanceof ExternalSession)) return session
    // Concurrent requests and pushes share one confirmation.
    session.confirming ??= this.identify(session.token, origin).finally(
      () => { session.confirming = undefined }
    )
    const confirmed = await session.confirming
    if (confirmed instanceof TokenRefusal || confirmed.userId === session.userId) return confirmed
    return new TokenRefusal('it is another user\'s now')
  }
}

/** The circumstances of a call of `auth.validate`. */
interface Validation {
  readonly token: string
  /** In ticks of the clock. */
  readonly validatedAt: number
  readonly toleranceMs: number
  /** Epoch milliseconds. */
  readonly now: number
}

class ExternalSession implements Session {
  readonly userId: string
  readonly userName: string | undefined
  readonly roles: readonly string[]
  readonly metadata: object | undefined
  readonly expiresAt: number | undefined
  readonly toleranceMs: number
  readonly state = 'live'
  readonly token: string
  readonly validatedAt: number
  confirming: Promise<Session | TokenRefusal> | undefined

  /** @throws {TypeError} unless `found` is an `AuthSession` */
  constructor (found: unknown, { token, validatedAt, toleranceMs, now }: Validation) {
    const { userId, userName, roles, metadata, expiresAt } = readSession(found as object, now)
    this.userId = userId
    this.userName = userName
    this.roles = roles
    this.metadata = metadata
    this.expiresAt = expiresAt
    this.toleranceMs = toleranceMs
    this.token = token
    this.validatedAt = validatedAt
  }
}
