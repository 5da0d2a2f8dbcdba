import { invalid } from '../protocol/errors.js'
import type { Log } from '../util/log.js'

/**
 * Characters that cannot be seen: control and format characters, line separators, those that fonts ignore,
 * and signs that are drawn as a blank (Braille, a musical note without head, the Khitan filler).
 */
const INVISIBLE = /[\u{16fe4}\u2800\u{1d159}\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u

/** Code points without a meaning of their own: private use, noncharacters, U+FFFC and U+FFFD. */
const MEANINGLESS = /[\p{Co}\p{Noncharacter_Code_Point}\ufffc\ufffd]/u

/** Number of characters of a name that are compared: no account or role has a longer name. */
const MAX_COMPARED_CHARS = 256

/**
 * Returns a new name of an account or a role as it is stored: trimmed, in Unicode's composed form (NFC).
 * @throws `VALIDATION_ERROR` for a name of another length, or with characters that cannot be seen or mean
 * nothing
 */
export function checkName (name: string, field: string, min: number, max: number): string {
  const kept = name.trim().normalize('NFC')
  const { length } = [...kept]
  if (length < min || length > max) throw invalid(field, `must have ${min} to ${max} characters`)
  if (INVISIBLE.test(kept) || MEANINGLESS.test(kept) || !kept.isWellFormed()) {
    const problem =
      'must not have characters that cannot be seen, nor private-use characters or noncharacters'
    throw invalid(field, problem)
  }
  return kept
}

/**
 * Returns a key that is equal for names that look alike: those that differ only in case, in blanks, in
 * characters that cannot be seen, or in the way in which Unicode writes a character. Only the first 256
 * characters count.
 */
export function nameKey (name: string): string {
  const visible = name.slice(0, MAX_COMPARED_CHARS).replace(new RegExp(INVISIBLE, 'gu'), '')
  // Lower case first, for letters with two capitals (ß); composed twice, since folding may take characters
  // apart.
  const folded = visible.normalize('NFKC').toLowerCase().toUpperCase().toLowerCase().normalize('NFKC')
  return folded.trim().replace(/\s+/gu, ' ')
}

/** Number of groups of names that look alike, and of names of one group, that are logged. */
const MAX_NAMES = 20

/** Groups of names that look alike; each name is found by its exact spelling only. */
export interface Collisions {
  readonly accounts: readonly string[][]
  readonly roles: readonly string[][]
}

/** Logs names that look alike. Nothing is renamed: only people can decide which name is the right one. */
export function warnOfCollisions (collisions: Collisions, log: Log): void {
  for (const [kind, groups] of Object.entries(collisions)) {
    if (groups.length === 0) continue
    const names = groups.slice(0, MAX_NAMES).map((group: string[]) => group.slice(0, MAX_NAMES))
    const rule = 'each is known by its exact spelling only, and no other like them can be created'
    log.warn({ [kind]: names, groups: groups.length }, `there are ${kind} whose names look alike: ${rule}`)
  }
}
