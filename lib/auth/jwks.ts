import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import type { Clock } from '../util/clock.js'

/** Time limit of the whole response of the endpoint, in milliseconds. */
const TIMEOUT_MS = 5_000

/** Size limit of the response, in bytes. Sets of public keys have a few thousand. */
const MAX_BYTES = 1_048_576

/** Age from which on keys are not used any more, in milliseconds: the issuer may have withdrawn them. */
const MAX_AGE_MS = 600_000

/** Age from which on keys are fetched again while they are still used, in milliseconds. */
export const REFRESH_AGE_MS = 300_000

/**
 * The keys could not be fetched, so that the token cannot be checked. The cause is the error of the request.
 */
export class JwksError extends Error {
  override readonly name = 'JwksError'
}

/**
 * Fetches the public keys of an issuer when they are needed, at most once in `cooldownMs`, also when the
 * endpoint fails: the remote key set of jose would ask a failing endpoint again for every token.
 */
export class RemoteKeys {
  readonly #url: URL
  readonly #cooldownMs: number
  readonly #clock: Clock
  #keys: JWTVerifyGetKey = createLocalJWKSet({ keys: [] })
  #loadedAt = -Infinity
  #askedAt = -Infinity
  #loading: Promise<void> | undefined
  #failure: JwksError | undefined

  /** `cooldownMs` is at most `REFRESH_AGE_MS`. */
  constructor (url: URL, cooldownMs: number, clock: Clock) {
    this.#url = url
    this.#cooldownMs = cooldownMs
    this.#clock = clock
  }

  /**
   * Finds the key that a token names.
   * @throws {JwksError} when the keys cannot be fetched; an error of jose when there is no such key, or more
   * than one
   */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const age = this.#clock.ticks() - this.#loadedAt
    if (age >= MAX_AGE_MS) {
      await this.#refresh()
    } else if (age >= REFRESH_AGE_MS) {
      // This token need not wait. A failure is reported when the keys are too old.
      this.#refresh().catch(() => {})
    }
    try {
      return await this.#keys(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      await this.#refresh()
      return await this.#keys(header, token)
    }
  }

  /** Fetches the keys, unless that was tried within the cool-down: then it settles as that try did. */
  async #refresh (): Promise<void> {
    if (this.#loading === undefined && this.#clock.ticks() - this.#askedAt >= this.#cooldownMs) {
      this.#askedAt = this.#clock.ticks()
      this.#loading = this.#load().finally(() => { this.#loading = undefined })
    }
    await this.#loading
    if (this.#failure !== undefined) throw this.#failure
  }

  async #load (): Promise<void> {
    try {
      this.#keys = createLocalJWKSet(await this.#fetch())
      this.#loadedAt = this.#clock.ticks()
      this.#failure = undefined
    } catch (cause) {
      // The query of the URL may be a secret.
      this.#failure = new JwksError(
        `the keys at ${this.#url.origin}${this.#url.pathname} cannot be fetched`,
        { cause }
      )
    }
  }

  async #fetch (): Promise<JSONWebKeySet> {
    const abort = new AbortController()
    const cancel = this.#clock.after(
      TIMEOUT_MS,
      () => { abort.abort(new Error(`no whole answer within ${TIMEOUT_MS} ms`)) }
    )
    try {
      const headers = { accept: 'application/jwk-set+json, application/json' }
      const response = await fetch(this.#url, { headers, redirect: 'manual', signal: abort.signal })
      if (response.status !== 200) throw new Error(`the answer has status ${response.status}`)
      const set = JSON.parse(await textOf(response)) as JSONWebKeySet
      // An issuer without keys is not ready: the present keys are kept.
      if (Array.isArray(set.keys) && set.keys.length === 0) throw new Error('the answer has no keys')
      return set
    } finally {
      cancel()
      // Ends the response where it has not been read to its end.
      abort.abort()
    }
  }
}

async function textOf (response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_BYTES) throw new Error(`the answer has more than ${MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  return new TextDecoder().decode(Buffer.concat(chunks))
}
