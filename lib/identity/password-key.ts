import { scryptSync } from 'node:crypto'
// By another name, since many bundles define createRequire at their top.
import { createRequire as requireFrom } from 'node:module'
import type * as Argon2 from '@node-rs/argon2'
import type { Argon2Setting, PasswordSetting, ScryptSetting } from './password-hash.js'

/** A key to compute. */
export interface KeyRequest {
  readonly setting: PasswordSetting
  readonly salt: Uint8Array
  readonly keyBytes: number
}

/** Returns whether `@node-rs/argon2` is installed and works on this machine. */
export function hasArgon2 (): boolean {
  try {
    loadArgon2()
    return true
  } catch {
    return false
  }
}

/**
 * Computes the key of a password as UTF-8. Blocks the calling thread for up to a second: asynchronous
 * functions would occupy libuv's pool, where `fs` would wait for them.
 * @throws when there is not enough memory
 */
export function deriveKey (password: string, { setting, salt, keyBytes }: KeyRequest): Uint8Array {
  const bytes = Buffer.from(password, 'utf8')
  return setting.algorithm === 'scrypt'
    ? scryptKey(bytes, salt, keyBytes, setting)
    : argon2Key(bytes, salt, keyBytes, setting)
}

function scryptKey (
  password: Buffer,
  salt: Uint8Array,
  keyBytes: number,
  { N, r, p }: ScryptSetting
): Uint8Array {
  // The memory that OpenSSL requires. Its default limit is lower than the settings in use need.
  const maxmem = 128 * r * (N + p + 2)
  return scryptSync(password, salt, keyBytes, { N, r, p, maxmem })
}

function argon2Key (
  password: Buffer,
  salt: Uint8Array,
  keyBytes: number,
  { memoryKiB, passes, lanes }: Argon2Setting
): Uint8Array {
  return loadArgon2().hashRawSync(password, {
    // The enumerations of the package have no values at run time: Argon2id, version 19.
    algorithm: 2,
    version: 1,
    memoryCost: memoryKiB,
    timeCost: passes,
    parallelism: lanes,
    outputLen: keyBytes,
    salt
  })
}

function loadArgon2 (): typeof Argon2 {
  return requireFrom(import.meta.url)('@node-rs/argon2') as typeof Argon2
}
