import type { Clock } from '../clock.js'
import type { Authenticator } from './authenticator.js'
import type { ExternalAuth } from './auth-options.js'
import type { Origin, Session } from './session.js'

/** The sessions of `auth.validate`: each keeps its token, so that it can be confirmed. */
export class ExternalAuthenticator implements Authenticator {
  readonly #validate: ExternalAuth['validate']
  readonly #revalidateMs: number | false
  readonly #clock: Clock

  constructor (auth: { readonly validate: ExternalAuth['validate'], readonly revalidateMs: number | false }, clock: Clock) {
    this.#validate = auth.validate
    this.#revalidateMs = auth.revalidateMs
    this.#clock = clock
  }

  async identify (token: string, origin: Origin): Promise<Session | undefined> {
    const validatedAt = this.#clock.ticks()
    const validate = this.#validate
    const found: unknown = await validate(token, origin)
    return found == null ? undefined : new ExternalSession(found, token, validatedAt)
  }

  isStale (session: Session): boolean {
    return this.#revalidateMs !== false && session instanceof ExternalSession && this.#clock.ticks() - session.validatedAt >= this.#revalidateMs
  }

  async confirm (session: Session, origin: Origin): Promise<Session | undefined> {
    if (!(session instanceof ExternalSession)) return session
    // Requests and pushes may ask at the same time; one answer does for all.
    session.confirming ??= this.identify(session.token, origin).finally(() => { session.confirming = undefined })
    const confirmed = await session.confirming
    return confirmed?.userId === session.userId ? confirmed : undefined
  }
}

class ExternalSession implements Session {
  readonly userId: string
  readonly roles: readonly string[]
  readonly metadata: object | undefined
  readonly expiresAt: number | undefined
  readonly state = 'live'
  readonly token: string
  readonly validatedAt: number
  confirming: Promise<Session | undefined> | undefined

  constructor (found: unknown, token: string, validatedAt: number) {
    const { userId, roles, metadata, expiresAt } = found as Record<string, unknown>
    if (typeof userId !== 'string' || userId === '') throw new TypeError('auth.validate: userId must be a non-empty text')
    if (!Array.isArray(roles) || !roles.every(role => typeof role === 'string')) throw new TypeError('auth.validate: roles must be an array of texts')
    if (metadata != null && typeof metadata !== 'object') throw new TypeError('auth.validate: metadata must be an object')
    if (expiresAt !== undefined && !Number.isFinite(expiresAt)) throw new TypeError('auth.validate: expiresAt must be a number of milliseconds')
    this.userId = userId
    // Copies: what the application does to its own later changes nobody's rights.
    this.roles = [...roles]
    this.metadata = metadata ?? undefined
    this.expiresAt = expiresAt as number | undefined
    this.token = token
    this.validatedAt = validatedAt
  }
}
