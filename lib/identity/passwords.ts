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

/** What becomes of a password that was checked. */
export interface PasswordCheck {
  readonly valid: boolean
  /**
   * The hash to store instead of the one that was checked, when the password is right and that one has
   * another setting than new ones.
   */
  readonly renewed: string | undefined
}

export interface PasswordsOptions {
  /**
   * Whether hashes are those of Argon2id. `false` is as if the package for it was not installed: its hashes
   * verify as false.
   * @default whether `@node-rs/argon2` is installed
   */
  readonly argon2?: boolean
}

/**
 * Characters of a password, in UTF-16 units.
 * @limit `VALIDATION_ERROR`
 */
export const MAX_PASSWORD_CHARS = 1_024

/** Settings of stored hashes, beside the current one, that each check computes. */
const MAX_OTHER_SETTINGS = 4

const SALT_BYTES = 16
const KEY_BYTES = 32

/** The settings that OWASP recommends: scrypt in 32 MiB, Argon2id in 19 MiB. */
const scrypt: PasswordSetting = { algorithm: 'scrypt', N: 32_768, r: 8, p: 3 }
const argon2: PasswordSetting = { algorithm: 'argon2id', memoryKiB: 19_456, passes: 2, lanes: 1 }

/**
 * Hashes passwords and checks them, in threads of its own. They are hashed in UTF-8 as `normalPassword`
 * writes them, so that each keyboard's spelling of a character is the same; hashes of other spellings, which
 * earlier versions have made, are still good.
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
   * @throws `VALIDATION_ERROR` when it has more than 1,024 characters; `RATE_LIMITED` when too many wait to
   * be hashed.
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
   * Tells whether this is the password of a stored hash. A hash that cannot be read verifies as false, and so
   * does `undefined`, which stands for an account that does not exist.
   *
   * Whatever the account and the password, the same is computed and takes the same time: a key for each
   * setting that stored hashes have (`settingsInUse`, from `settingOf`) and for the current one. Of more than
   * four others only some are computed; then time does tell something. A password that can be spelled in
   * another way is computed in both.
   * @throws `RATE_LIMITED` when too many wait to be checked
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

  /** A new hash, unless too many passwords wait: then the next login makes one. */
  async #renewed (password: string): Promise<string | undefined> {
    try {
      return await this.hash(password)
    } catch (error) {
      if (error instanceof NoexServerError) return undefined
      throw error
    }
  }

  /** Computes a key for each setting, and compares the one that is stored. */
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

  /**
   * The setting of a stored hash, for `settingsInUse`; `undefined` when the hash cannot be read, and so never
   * checked.
   */
  settingOf (hash: string): string | undefined {
    const stored = this.#read(hash)
    return stored === undefined ? undefined : formatSetting(stored.setting)
  }

  /** Ends the threads. Whoever waits for a password is refused. */
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

  /** The settings to compute, each once, the current one first. */
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

/** Returns a password in the one spelling (NFKC) in which it is hashed. */
export function normalPassword (password: string): string {
  return password.normalize('NFKC')
}

const wrong: PasswordCheck = { valid: false, renewed: undefined }

/** A key with a new salt: to be stored, or to take the time that another would take. */
function keyRequest (setting: PasswordSetting): KeyRequest {
  return { setting, salt: new Uint8Array(randomBytes(SALT_BYTES)), keyBytes: KEY_BYTES }
}
