import { createPublicKey, KeyObject, type JsonWebKey } from 'node:crypto'
import { isPlainObject, NoexOptionsError } from '../util/option-schema.js'

/** The algorithms of signatures (RFC 7518, RFC 8037 and RFC 9864). */
export type JwtAlgorithm =
  | 'HS256' | 'HS384' | 'HS512'
  | 'RS256' | 'RS384' | 'RS512' | 'PS256' | 'PS384' | 'PS512'
  | 'ES256' | 'ES384' | 'ES512' | 'EdDSA' | 'Ed25519'

/**
 * A public key: PEM text (SPKI, or an X.509 certificate), a `KeyObject` of `node:crypto`, or a JWK.
 */
export type PublicKeyInput = string | KeyObject | JsonWebKey

/** Minimal length of a secret for each symmetric algorithm, in bytes: that of its hash (RFC 7518, 3.2). */
const secretBytes: ReadonlyMap<string, number> = new Map([['HS256', 32], ['HS384', 48], ['HS512', 64]])

/** The kind of key of each asymmetric algorithm, as `kindOf` returns it. */
const keyKinds: ReadonlyMap<string, string> = new Map([
  ['RS256', 'rsa'], ['RS384', 'rsa'], ['RS512', 'rsa'], ['PS256', 'rsa'], ['PS384', 'rsa'], ['PS512', 'rsa'],
  ['ES256', 'prime256v1'], ['ES384', 'secp384r1'], ['ES512', 'secp521r1'], ['EdDSA', 'ed25519'],
  ['Ed25519', 'ed25519']
])

/** Shorter RSA keys can be broken, and RFC 7518 forbids them. */
const MIN_RSA_BITS = 2_048

/**
 * Checks a list of algorithms: either all for a secret, or all for public keys. With both, a client could
 * sign with the public key as the secret.
 * @throws {NoexOptionsError}
 */
export function checkAlgorithms (value: unknown, kind: 'secret' | 'public', path: string): void {
  if (!Array.isArray(value) || value.length === 0) {
    throw new NoexOptionsError(path, 'must be an array of at least one algorithm')
  }
  const known = kind === 'secret' ? secretBytes : keyKinds
  value.forEach((name: unknown, i) => {
    if (typeof name !== 'string' || !known.has(name)) {
      const keys = kind === 'secret' ? 'a secret' : 'public keys'
      const problem = `must be one of ${[...known.keys()].join(', ')}: those are for ${keys}`
      throw new NoexOptionsError(`${path}[${i}]`, problem)
    }
  })
}

/**
 * Reads a secret for algorithms that `checkAlgorithms` has accepted. Returns a copy of its bytes.
 * @throws {NoexOptionsError} when it is shorter than the longest hash that it is used with
 */
export function secretKey (value: unknown, algorithms: readonly string[], path: string): Uint8Array {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
    throw new NoexOptionsError(path, 'must be a text or a Uint8Array')
  }
  const secret = Buffer.from(value as string)
  // A public key is not secret, and belongs into another option.
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
 * Reads a public key for algorithms that `checkAlgorithms` has accepted. The dates of a certificate are
 * ignored, as are the properties `alg`, `use` and `key_ops` of a JWK.
 * @throws {NoexOptionsError} when it is no public key, in particular a private one, or does not fit an
 * algorithm (`algorithmsPath`)
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
        `${algorithmsPath}[${i}]`, `does not fit the public key, which is of kind ${String(kind)}`
      )
    }
  })
  const bits = key.asymmetricKeyDetails?.modulusLength ?? MIN_RSA_BITS
  if (bits < MIN_RSA_BITS) throw new NoexOptionsError(path, `must have at least ${MIN_RSA_BITS} bits`)
  return key
}

function parsed (value: unknown, path: string): KeyObject {
  // Node would accept a private key and derive the public one, and the private one would remain in the
  // options.
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
