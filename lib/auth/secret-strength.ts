/** A secret that is shorter can be guessed; it is accepted, but deserves a warning. */
export const SHORT_SECRET_CHARS = 16

/**
 * A secret of that length that a machine has made has more different characters, in hexadecimal notation too.
 */
const FEW_CHARACTERS = 6

/** What secrets of guides and sample files are made of, without signs and in lower case. */
const EXAMPLES = [
  'changeme',
  'replaceme',
  'changethis',
  'adminsecret',
  'supersecret',
  'mysecret',
  'yoursecret',
  'topsecret',
  'password',
  'passw0rd',
  'example',
  'placeholder',
  'correcthorse',
  '1234567890',
  '0123456789',
  'abcdefgh',
  'qwerty',
  'letmein'
]

/**
 * Why a secret can be guessed, to stand behind its name: `is shorter than 16 characters`. `undefined` when
 * nothing tells.
 */
export function secretProblem (secret: string): string | undefined {
  if (secret.length < SHORT_SECRET_CHARS) return `is shorter than ${SHORT_SECRET_CHARS} characters`
  if (new Set(secret).size < FEW_CHARACTERS) return `has fewer than ${FEW_CHARACTERS} different characters`
  const reduced = secret.toLowerCase().replace(/[^a-z0-9]/g, '')
  if (EXAMPLES.some(example => reduced.includes(example))) return 'looks like the example of a guide'
  return undefined
}
