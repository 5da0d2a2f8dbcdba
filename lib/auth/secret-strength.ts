/** Length below which a secret can be guessed, in characters: it is accepted with a warning. */
export const SHORT_SECRET_CHARS = 16

/** Number of different characters below which a secret can be guessed. Random hexadecimal ones have more. */
const FEW_CHARACTERS = 6

/** Parts of secrets in guides and sample files, in lower case and without punctuation. */
const EXAMPLES = [
  'changeme', 'replaceme', 'changethis', 'adminsecret', 'supersecret', 'mysecret', 'yoursecret', 'topsecret',
  'password', 'passw0rd', 'example', 'placeholder', 'correcthorse', '1234567890', '0123456789', 'abcdefgh',
  'qwerty', 'letmein'
]

/**
 * Returns why a secret can be guessed, as the end of a sentence: `is shorter than 16 characters`; `undefined`
 * for other secrets.
 */
export function secretProblem (secret: string): string | undefined {
  if (secret.length < SHORT_SECRET_CHARS) return `is shorter than ${SHORT_SECRET_CHARS} characters`
  if (new Set(secret).size < FEW_CHARACTERS) return `has fewer than ${FEW_CHARACTERS} different characters`
  const reduced = secret.toLowerCase().replace(/[^a-z0-9]/g, '')
  if (EXAMPLES.some(example => reduced.includes(example))) return 'looks like the example of a guide'
  return undefined
}
