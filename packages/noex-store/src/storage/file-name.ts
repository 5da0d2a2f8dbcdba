import { createHash } from 'node:crypto'

/** The longest stem in characters; leaves room for the extension and for `.corrupt-<time>`. */
const MAX_STEM_LENGTH = 180

/** Begins the stem of a key that is too long to be spelled out. No spelled-out stem begins like this. */
const HASH_PREFIX = '%h-'

/** Stands for the empty key. */
const EMPTY_STEM = '%'

/** Windows takes these names for devices, with any extension. */
const DEVICE_NAME = /^(?:con|prn|aux|nul|com\d|lpt\d)$/

/**
 * Gives the file name stem of a key: different for different keys, on every file system.
 *
 * Lower-case letters, digits, `-` and `_` stand for themselves. Everything else is percent-encoded,
 * capitals too, because some file systems ignore case: `%hh` for ASCII and `%uhhhh` for any other
 * UTF-16 unit. A key whose stem would be longer than 180 characters is named by its SHA-256 instead.
 */
export function stemOf (key: string): string {
  if (key === '') return EMPTY_STEM
  const stem = DEVICE_NAME.test(key)
    ? escapeUnit(key.charAt(0)) + key.slice(1)
    : key.replace(/[^a-z0-9_-]/g, escapeUnit)
  if (stem.length <= MAX_STEM_LENGTH) return stem
  // Over the UTF-16 units: as UTF-8, all lone surrogates would be the same character.
  return HASH_PREFIX + createHash('sha256').update(key, 'utf16le').digest('hex')
}

/** Tells whether a stem names its key by hash, so that the key has to be read from the file. */
export function isHashedStem (stem: string): boolean {
  return stem.startsWith(HASH_PREFIX)
}

/** Gives the key of a stem that is not hashed; `undefined` when `stemOf` would not have made it. */
export function keyOf (stem: string): string | undefined {
  const key = stem === EMPTY_STEM
    ? ''
    : stem.replace(/%(?:u([0-9a-f]{4})|([0-9a-f]{2}))/g, (_match, unit?: string, ascii?: string) =>
      String.fromCharCode(Number.parseInt(unit ?? ascii ?? '', 16)))
  return stemOf(key) === stem ? key : undefined
}

function escapeUnit (unit: string): string {
  const code = unit.charCodeAt(0)
  return code < 0x80
    ? `%${code.toString(16).padStart(2, '0')}`
    : `%u${code.toString(16).padStart(4, '0')}`
}
