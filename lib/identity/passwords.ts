import { randomBytes, timingSafeEqual } from 'node:crypto'
import { NoexServerError } from '../protocol/errors.js'
import {
  formatHash,
  formatSetting,
  parseHash,
  parseSetting,
  type PasswordHash,
  type PasswordSetting
} from './password-hash.js'
import { hasArgon2, type KeyRequest } from './password-key.js'
import { PasswordWorkers, type KeySource } from './password-workers.js'

/** The result of checking a password. */
interface PasswordCheck {
  readonly valid: boolean
  /**
   * The hash to store instead of the one that was checked; `undefined` where the password is wrong, or the
   * hash has the current setting.
   */
  readonly renewed: string | undefined
}

export interface PasswordsOptions {
  /**
   * Whether Argon2id is used. With `false`, as without its package, hashes of Argon2id verify as false.
   * @default whether `@node-rs/argon2` is installed
   */
  readonly argon2?: boolean
}

/** The longest password, in UTF-16 units. */
const MAX_PASSWORD_CHARS = 1_024

/** Number of settings of stored hashes, beside the current one, for which each check computes a key. */
const MAX_OTHER_SETTINGS = 4

const SALT_BYTES = 16
const KEY_BYTES = 32

/** The settings that OWASP recommends: scrypt in 32 MiB, Argon2id in 19 MiB. */
const scrypt: PasswordSetting = { algorithm: 'scrypt', N: 32_768, r: 8, p: 3 }
const argon2: PasswordSetting = { algorithm: 'argon2id', memoryKiB: 19_456, passes: 2, lanes: 1 }

/**
 * Hashes and checks passwords in worker threads, which it owns. Passwords are hashed as UTF-8 in the form of
 * `normalPassword`, so that the spelling of a character by different keyboards is the same. Hashes of other
 * forms, made by earlier versions, still verify.
 */
export class Passwords {
  readonly #hasArgon2: boolean
  readonly #current: PasswordSetting
  readonly #keys: KeySource

  constructor (options: PasswordsOptions = {}, keys: KeySource = new PasswordWorkers()) {
    this.#hasArgon2 = options.argon2 ?? hasArgon2()
    this.#current = this.#hasArgon2 ? argon2 : scrypt
    this.#keys = keys
  }

  /**
   * Hashes a new password with a salt of its own, as a PHC string.
   * @throws `VALIDATION_ERROR` for more than 1,024 characters; `RATE_LIMITED` when too many passwords wait.
   */
  async hash (password: string): Promise<string> {
    if (password.length > MAX_PASSWORD_CHARS) {
      throw new NoexServerError('VALIDATION_ERROR', `A password has at most ${MAX_PASSWORD_CHARS} characters`)
    }
    const request = keyRequest(this.#current)
    const keys = await this.#keys.derive({ password: normalPassword(password), requests: [request] })
    return formatHash({ ...request, key: keys[0] as Uint8Array })
  }

  /**
   * Checks a password against a stored hash. A hash that cannot be read verifies as false, and so does
   * `undefined`, which stands for an account that does not exist.
   *
   * The time does not depend on the account: one key is computed for each setting of stored hashes
   * (`settingsInUse`, from `settingOf`) and for the current one. Of more than four other settings only some
   * are computed; then the time does depend on the account. A password whose `normalPassword` differs from it
   * is checked in both forms.
   * @throws `RATE_LIMITED` when too many passwords wait
   */
  async check (
    password: string,
    hash: string | undefined,
    settingsInUse: Iterable<string> = []
  ): Promise<PasswordCheck> {
    const stored = hash === undefined ? undefined : this.#read(hash)
    const settings = this.#settings(stored, settingsInUse)
    if (password.length > MAX_PASSWORD_CHARS) {
      await this.#compare('', stored, settings)
      return wrong
    }
    const normal = normalPassword(password)
    const checked = await this.#compare(normal, stored, settings)
    if (checked.valid || normal === password) return checked
    const asGiven = await this.#compare(password, stored, settings)
    return asGiven.valid ? { valid: true, renewed: await this.#renewed(password) } : wrong
  }

  /** Returns a new hash; `undefined` where too many passwords wait: then the next login makes it. */
  async #renewed (password: string): Promise<string | undefined> {
    try {
      return await this.hash(password)
    } catch (error) {
      if (error instanceof NoexServerError) return undefined
      throw error
    }
  }

  /** Computes a key for each setting, and compares the one of the stored hash. */
  async #compare (
    password: string,
    stored: PasswordHash | undefined,
    settings: readonly PasswordSetting[]
  ): Promise<PasswordCheck> {
    const requests = settings.map(setting => keyRequest(setting))
    const own = requests.findIndex(
      ({ setting }) => stored !== undefined && formatSetting(setting) === formatSetting(stored.setting)
    )
    if (stored !== undefined) {
      requests[own] = { setting: stored.setting, salt: stored.salt, keyBytes: stored.key.length }
    }
    const keys = await this.#keys.derive({ password, requests })
    const valid = stored !== undefined && timingSafeEqual(keys[own] as Uint8Array, stored.key)
    // The first is the key of the current setting, which has been computed anyway.
    const renewed =
      valid && own !== 0
        ? formatHash({ ...(requests[0] as KeyRequest), key: keys[0] as Uint8Array })
        : undefined
    return { valid, renewed }
  }

  /** Returns the setting of a stored hash, for `settingsInUse`; `undefined` when the hash cannot be read. */
  settingOf (hash: string): string | undefined {
    const stored = this.#read(hash)
    return stored === undefined ? undefined : formatSetting(stored.setting)
  }

  /** Ends the threads. Waiting calls reject. */
  async close (): Promise<void> {
    await this.#keys.close()
  }

  #read (hash: string): PasswordHash | undefined {
    const stored = parseHash(hash)
    return stored !== undefined && this.#supports(stored.setting) ? stored : undefined
  }

  #supports ({ algorithm }: PasswordSetting): boolean {
    return algorithm === 'scrypt' || this.#hasArgon2
  }

  /** Returns the settings to compute, each once, the current one first. */
  #settings (stored: PasswordHash | undefined, inUse: Iterable<string>): PasswordSetting[] {
    const settings = new Map([[formatSetting(this.#current), this.#current]])
    if (stored !== undefined) settings.set(formatSetting(stored.setting), stored.setting)
    for (const text of inUse) {
      if (settings.size > MAX_OTHER_SETTINGS) break
      const setting = parseSetting(text)
      if (setting !== undefined && this.#supports(setting)) settings.set(formatSetting(setting), setting)
    }
    return [...settings.values()]
  }
}

/** Returns a password in the Unicode form (NFKC) in which it is hashed. */
export function normalPassword (password: string): string {
  return password.normalize('NFKC')
}

const wrong: PasswordCheck = { valid: false, renewed: undefined }

/** Returns a request for a key with a new salt, to be stored or only to take the same time. */
function keyRequest (setting: PasswordSetting): KeyRequest {
  return { setting, salt: new Uint8Array(randomBytes(SALT_BYTES)), keyBytes: KEY_BYTES }
}
