import { once } from 'node:events'
import { createHmac, generateKeyPairSync, KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { exportJWK, SignJWT, type CryptoKey, type JWK, type JWTHeaderParameters } from 'jose'
import { tokenValidator, type TokenValidator } from '../../lib/auth/jwt.js'
import { resolveJwt, type JwtAuthOptions } from '../../lib/auth/jwt-options.js'
import { FakeClock } from './fake-clock.js'
import { projectFile } from './project-file.js'

export const SECRET = 'a secret that two programs share, long enough for every algorithm'
export const ISSUER = 'https://issuer.example'
export const AUDIENCE = 'orders'

/** The time at which the FakeClock begins, in seconds like in tokens. */
export const NOW = 1_764_000_000

export const alice = { iss: ISSUER, aud: AUDIENCE, sub: 'alice', roles: ['writer'], exp: NOW + 600 }
export const ofAlice = { userId: 'alice', roles: ['writer'], expiresAt: (NOW + 600) * 1_000 }

export const base: Pick<JwtAuthOptions, 'issuer' | 'audience'> = { issuer: ISSUER, audience: AUDIENCE }
export const withSecret: JwtAuthOptions = { ...base, secret: SECRET, algorithms: ['HS256'] }

export function validator (options: JwtAuthOptions, clock = new FakeClock()): TokenValidator {
  return tokenValidator(resolveJwt(options), clock)
}

export function encoded (value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
}

/** Signs anything, also what no library would: header and claims as values, or as the text of the JSON. */
export function forged (
  header: unknown, claims: unknown, secret: string | Buffer = SECRET, hash = 'sha256'
): string {
  const input = `${encoded(header)}.${encoded(claims)}`
  return `${input}.${createHmac(hash, secret).update(input).digest('base64url')}`
}

/** A token that only its claims can spoil. */
export function hs256 (claims: unknown): string {
  return forged({ alg: 'HS256' }, claims)
}

export async function signed (
  key: CryptoKey | KeyObject,
  header: JWTHeaderParameters,
  claims: object = alice
): Promise<string> {
  return await new SignJWT({ ...claims }).setProtectedHeader(header).sign(key)
}

export const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 })
export const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2_048 })
export const weakRsa = generateKeyPairSync('rsa', { modulusLength: 1_024 })

export const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })

export const ed25519 = generateKeyPairSync('ed25519')

export const rsaPem = rsa.publicKey.export({ type: 'spki', format: 'pem' }) as string

export const fixture = readFileSync(projectFile('test/fixtures/localhost.pem'), 'utf8')
export const certificate = new X509Certificate(fixture).toString()

interface KeyServer {
  readonly url: string
  /** Number of requests. */
  readonly asked: number
  /** Resolves after so many requests. */
  whenAsked: (times: number) => Promise<void>
  /** The answer from now on: these keys, or a function that sends any answer. */
  answer: JWK[] | ((response: ServerResponse) => void)
}

/** A real endpoint of an issuer. */
export async function keyServer (t: Test, keys: KeyServer['answer']): Promise<KeyServer> {
  const server = createServer((_request, response) => {
    asked++
    const { answer } = state
    if (typeof answer === 'function') answer(response)
    else response.setHeader('content-type', 'application/jwk-set+json').end(JSON.stringify({ keys: answer }))
    server.emit('asked')
  }).listen(0, '127.0.0.1')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  let asked = 0
  const state: KeyServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys?token=hidden`,
    get asked () { return asked },
    whenAsked: async times => {
      for (; ;) {
        if (asked >= times) return
        await once(server, 'asked')
      }
    },
    answer: keys
  }
  return state
}

export async function jwkOf (key: KeyObject, kid: string): Promise<JWK> {
  return { ...await exportJWK(key), kid, use: 'sig' }
}

export function remote (server: KeyServer, options: Partial<JwtAuthOptions> = {}): JwtAuthOptions {
  return { ...base, jwksUri: server.url, algorithms: ['RS256', 'ES256', 'EdDSA'], ...options }
}

/** A token that names an unknown key. */
export function unknownKid (i = 0): string {
  return `${encoded({ alg: 'RS256', kid: `unknown ${i}` })}.${encoded(alice)}.AAAA`
}
