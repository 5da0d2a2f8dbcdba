/** The cost of computing a key. Two passwords with the same setting take the same time. */
export type PasswordSetting = ScryptSetting | Argon2Setting

/** scrypt; the names are those of RFC 7914. */
export interface ScryptSetting {
  readonly algorithm: 'scrypt'
  /** A power of two. */
  readonly N: number
  readonly r: number
  readonly p: number
}

/** Argon2id, version 19. */
export interface Argon2Setting {
  readonly algorithm: 'argon2id'
  readonly memoryKiB: number
  readonly passes: number
  readonly lanes: number
}

/** A stored password: its setting, salt and key. */
export interface PasswordHash {
  readonly setting: PasswordSetting
  readonly salt: Uint8Array
  readonly key: Uint8Array
}

/** Length limit of a hash, in characters. The longest that this server writes has 97. */
const MAX_CHARS = 256

/** Bounds of the work for a stored hash: 256 MiB (128 * N * r bytes), and about a second. */
const MAX_SCRYPT_WORK = 2 ** 21
const MAX_ARGON2_MEMORY_KIB = 262_144
const MAX_ARGON2_WORK_KIB = 524_288
const MAX_PARALLEL = 16

const MIN_SALT_BYTES = 8
const MIN_KEY_BYTES = 16
const MAX_BYTES = 64

const scryptForm = /^\$scrypt\$ln=([1-9]\d?),r=([1-9]\d?),p=([1-9]\d?)$/
const plainScryptForm = /^\$scrypt\$([1-9]\d{0,6})\$([1-9]\d?)\$([1-9]\d?)$/
const argon2Form = /^\$argon2id\$v=19\$m=([1-9]\d{0,5}),t=([1-9]\d?),p=([1-9]\d?)$/

/**
 * Reads a stored hash: a PHC string of scrypt or Argon2id, or the form `$scrypt$N$r$p$salt$hash`, which older
 * servers of this protocol wrote. Returns `undefined` for any other text and for a setting beyond the bounds.
 */
export function parseHash (text: string): PasswordHash | undefined {
  if (text.length > MAX_CHARS) return undefined
  const parts = text.split('$')
  const key = decode(parts.pop(), MIN_KEY_BYTES)
  const salt = decode(parts.pop(), MIN_SALT_BYTES)
  const setting = parseSetting(parts.join('$'))
  return setting === undefined || salt === undefined || key === undefined ? undefined : { setting, salt, key }
}

/** Writes a hash as a PHC string. */
export function formatHash ({ setting, salt, key }: PasswordHash): string {
  return `${formatSetting(setting)}$${encode(salt)}$${encode(key)}`
}

/** Reads the part of a hash before the salt, as `parseHash` does. */
export function parseSetting (text: string): PasswordSetting | undefined {
  const scrypt = numbersIn(scryptForm, text)
  if (scrypt !== undefined) return scryptSetting(2 ** scrypt[0], scrypt[1], scrypt[2])
  const plain = numbersIn(plainScryptForm, text)
  if (plain !== undefined) return scryptSetting(...plain)
  const argon2 = numbersIn(argon2Form, text)
  if (argon2 !== undefined) return argon2Setting(...argon2)
  return undefined
}

/** Writes a setting as a PHC string without salt and hash: equal settings give equal texts. */
export function formatSetting (setting: PasswordSetting): string {
  return setting.algorithm === 'scrypt'
    ? `$scrypt$ln=${Math.log2(setting.N)},r=${setting.r},p=${setting.p}`
    : `$argon2id$v=19$m=${setting.memoryKiB},t=${setting.passes},p=${setting.lanes}`
}

function scryptSetting (N: number, r: number, p: number): ScryptSetting | undefined {
  const log2N = Math.log2(N)
  // RFC 7914: N is a power of two above 1, and smaller than 2^(16 * r).
  const isPossible = Number.isInteger(log2N) && log2N >= 1 && log2N < 16 * r
  // The product bounds the memory too, because p is at least 1.
  return isPossible && p <= MAX_PARALLEL && N * r * p <= MAX_SCRYPT_WORK
    ? { algorithm: 'scrypt', N, r, p }
    : undefined
}

function argon2Setting (memoryKiB: number, passes: number, lanes: number): Argon2Setting | undefined {
  // RFC 9106: there are at least 8 KiB for each lane.
  const isPossible = memoryKiB >= 8 * lanes
  const isBounded =
    lanes <= MAX_PARALLEL && memoryKiB <= MAX_ARGON2_MEMORY_KIB && memoryKiB * passes <= MAX_ARGON2_WORK_KIB
  return isPossible && isBounded ? { algorithm: 'argon2id', memoryKiB, passes, lanes } : undefined
}

function numbersIn (form: RegExp, text: string): [number, number, number] | undefined {
  const match = form.exec(text)
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3])]
}

function encode (bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replaceAll('=', '')
}

function decode (text: string | undefined, minBytes: number): Uint8Array | undefined {
  if (text === undefined) return undefined
  // A copy: a small Buffer is a view on shared memory, which would be sent to the worker as a whole.
  const bytes = new Uint8Array(Buffer.from(text, 'base64'))
  if (bytes.length < minBytes || bytes.length > MAX_BYTES) return undefined
  // Node skips characters that are not base64.
  return encode(bytes) === text.replace(/={1,2}$/, '') ? bytes : undefined
}
