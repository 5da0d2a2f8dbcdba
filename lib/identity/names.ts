import { invalid } from '../protocol/errors.js'

/**
 * Characters that cannot be seen: control and format characters, separators of lines, those that fonts leave
 * away, and signs that are drawn as a blank (Braille, a musical note without head, the Khitan filler).
 */
const INVISIBLE = /[\u{16fe4}\u2800\u{1d159}\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u

/** Code points that look like nothing in particular: private use, noncharacters, and U+FFFC and U+FFFD. */
const MEANINGLESS = /[\p{Co}\p{Noncharacter_Code_Point}\ufffc\ufffd]/u

/** Characters of a name that are compared: no account or role has a longer one. */
const MAX_COMPARED_CHARS = 256

/**
 * Returns a new name of an account or a role as it is kept: without blanks around it, and in Unicode's
 * composed form (NFC).
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
 * Returns what is equal for names that people take for the same: those that differ in upper and lower case,
 * in blanks, in characters that cannot be seen, or in the way in which Unicode writes a character. Names that
 * are longer than any compare by their beginning.
 */
export function nameKey (name: string): string {
  const visible = name.slice(0, MAX_COMPARED_CHARS).replace(new RegExp(INVISIBLE, 'gu'), '')
  // Lower case first, for letters with two capitals (ß); composed twice, since folding may take characters
  // apart.
  const folded = visible.normalize('NFKC').toLowerCase().toUpperCase().toLowerCase().normalize('NFKC')
  return folded.trim().replace(/\s+/gu, ' ')
}
