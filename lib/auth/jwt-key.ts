import { createPublicKey, KeyObject, type JsonWebKey } from 'node:crypto'
import { isPlainObject, NoexOptionsError } from '../util/option-schema.js'

/** The algorithms that can be listed (RFC 7518, RFC 8037 and RFC 9864). */
export type JwtAlgorithm =
  | 'HS256' | 'HS384' | 'HS512'
  | 'RS256' | 'RS384' | 'RS512' | 'PS256' | 'PS384' | 'PS512'
  | 'ES256' | 'ES384' | 'ES512' | 'EdDSA' | 'Ed25519'

/**
 * A public key in one of the forms that it comes in: PEM text (SPKI, or an X.509 certificate), an object of
 * `node:crypto`, or a JWK.
 */
export type PublicKeyInput = string | KeyObject | JsonWebKey

/**
 * Bytes that a secret needs for each symmetric algorithm: as many as its hash has (RFC 7518, section 3.2).
 */
const secretBytes: ReadonlyMap<string, number> = new Map([['HS256', 32], ['HS384', 48], ['HS512', 64]])

/** The kind of key that each asymmetric algorithm takes, as `kindOf` calls it. */
const keyKinds: ReadonlyMap<string, string> = new Map([
  ['RS256', 'rsa'], ['RS384', 'rsa'], ['RS512', 'rsa'], ['PS256', 'rsa'], ['PS384', 'rsa'], ['PS512', 'rsa'],
  ['ES256', 'prime256v1'], ['ES384', 'secp384r1'], ['ES512', 'secp521r1'], ['EdDSA', 'ed25519'], ['Ed25519', 'ed25519']
])

/** Shorter RSA keys can be broken, and RFC 7518 forbids them. */
const MIN_RSA_BITS = 2_048

/**
 * Checks a list of algorithms. It holds those for a secret or those for public keys: a list with both would
 * let a client sign with the public key as the secret.
 * @throws {NoexOptionsError}
 */
export function checkAlgorithms (value: unknown, kind: 'secret' | 'public', path: string): void {
  if (!Array.isArray(value) || value.length === 0) {
    throw new NoexOptionsError(path, 'must be an array of at least one algorithm')
  }
  const known = kind === 'secret' ? secretBytes : keyKinds
  value.forEach((name: unknown, i) => {
    if (typeof name !== 'string' || !known.has(name)) {
      throw new NoexOptionsError(
        `${path}[${i}]`,
        `must be one of ${[...known.keys()].join(', ')}: those are for ${kind === 'secret' ? 'a secret' : 'public keys'}`
      )
    }
  })
}

/**
 * Reads a secret for algorithms that `checkAlgorithms` let pass. The bytes are a copy.
 * @throws {NoexOptionsError} when it is shorter than the longest hash that it is used with.
 */
export function secretKey (value: unknown, algorithms: readonly string[], path: string): Uint8Array {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
    throw new NoexOptionsError(path, 'must be a text or a Uint8Array')
  }
  const secret = Buffer.from(value as string)
  // Whoever passes one means another option, and a public key is no secret.
  if (secret.includes('-----BEGIN ')) {
    throw new NoexOptionsError(path, 'is PEM text: a public key belongs into publicKey')
  }
  const minBytes = Math.max(...algorithms.map(name => secretBytes.get(name) ?? 0))
  if (secret.byteLength < minBytes) {
    throw new NoexOptionsError(path, `must have at least ${minBytes} bytes for ${algorithms.join(', ')}`)
  }
  return secret
}

/**
 * Reads a public key for algorithms that `checkAlgorithms` let pass. The dates of a certificate do not count,
 * nor do the members `alg`, `use` and `key_ops` of a JWK.
 * @throws {NoexOptionsError} when it is something else, a private key in particular, or does not fit an
 * algorithm (`algorithmsPath`).
 */
export function publicKey (
  value: unknown,
  algorithms: readonly string[],
  path: string,
  algorithmsPath: string
): KeyObject {
  const key = parsed(value, path)
  const kind = kindOf(key)
  algorithms.forEach((name, i) => {
    if (keyKinds.get(name) !== kind) {
      throw new NoexOptionsError(
  `${algorithmsPath}[${i}]`,
  `does not fit the public key, which is of kind ${String(kind)}`
      )
    }
  })
  const bits = key.asymmetricKeyDetails?.modulusLength ?? MIN_RSA_BITS
  if (bits < MIN_RSA_BITS) throw new NoexOptionsError(path, `must have at least ${MIN_RSA_BITS} bits`)
  return key
}

function parsed (value: unknown, path: string): KeyObject {
  // Node would make the public key of a private one, which then stands where it can be read.
  if (isPrivate(value)) {
    throw new NoexOptionsError(path, 'is a private or secret key, which must not leave the issuer')
  }
  if (value instanceof KeyObject) return value
  try {
    if (typeof value === 'string') return createPublicKey(value)
    if (isPlainObject(value)) return createPublicKey({ key: value as JsonWebKey, format: 'jwk' })
  } catch {}
  throw new NoexOptionsError(path, 'must be PEM text of a public key or a certificate, a KeyObject or a JWK')
}

function isPrivate (value: unknown): boolean {
  if (value instanceof KeyObject) return value.type !== 'public'
  if (typeof value === 'string') return value.includes('PRIVATE KEY')
  return isPlainObject(value) && value['d'] !== undefined
}

function kindOf (key: KeyObject): string | undefined {
  return key.asymmetricKeyType === 'ec' ? key.asymmetricKeyDetails?.namedCurve : key.asymmetricKeyType
}
