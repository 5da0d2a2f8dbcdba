import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { jwtAuth } from '../../../lib/auth/jwt.js'
import type { JwtAuthOptions } from '../../../lib/auth/jwt-options.js'
import { NoexOptionsError } from '../../../lib/util/option-schema.js'
import {
  AUDIENCE, ISSUER, SECRET, certificate, ed25519, encoded, fixture, p256, rsa, rsaPem, weakRsa, withSecret
} from '../../support/tokens.js'

const rsaPss = generateKeyPairSync('rsa-pss', { modulusLength: 2_048 })

const secp256k1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })

const x25519 = generateKeyPairSync('x25519')

const rsaPrivatePem = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string

t.test('jwtAuth refuses at once', t => {
  const rs256 = { secret: undefined, publicKey: rsaPem, algorithms: ['RS256'] }
  const jwks = { secret: undefined, jwksUri: 'https://issuer.example/keys', algorithms: ['RS256'] }
  const long = 'x'.repeat(64)

  function refusal (options: unknown): NoexOptionsError | undefined {
    try {
      jwtAuth(options as JwtAuthOptions)
    } catch (error) {
      if (error instanceof NoexOptionsError) return error
      throw error
    }
    return undefined
  }

  function shown (value: unknown): string {
    return JSON.stringify(value, (_name, member: unknown) =>
      member === undefined || typeof member === 'number' ? String(member) : member
    )?.slice(0, 120)
  }

  const table: Record<string, { path: string, refused: object[], accepted: object[] }> = {
    'an option that it does not know': {
      path: 'auth.algoritms',
      refused: [{ algoritms: ['HS256'] }],
      accepted: [{ algoritms: undefined }]
    },
    'anything but one source of keys': {
      path: 'auth',
      refused: [
        { secret: undefined },
        { publicKey: rsaPem },
        { jwksUri: 'https://issuer.example' },
        { ...rs256, jwksUri: 'https://issuer.example' }
      ],
      accepted: [{}, rs256, jwks]
    },
    'a secret that is none or too short for the strongest algorithm': {
      path: 'auth.secret',
      refused: [
        { secret: '' }, { secret: 'x'.repeat(31) }, { secret: Buffer.alloc(31) }, { secret: 1 },
        { secret: null }, { secret: [] }, { secret: {} }, { secret: rsa.publicKey },
        { secret: 'x'.repeat(47), algorithms: ['HS384'] },
        { secret: 'x'.repeat(47), algorithms: ['HS256', 'HS384'] },
        { secret: 'x'.repeat(63), algorithms: ['HS512'] },
        { secret: 'x'.repeat(63), algorithms: ['HS512', 'HS256'] },
        { secret: rsaPem }, { secret: Buffer.from(certificate) }
      ],
      accepted: [
        { secret: 'x'.repeat(32) }, { secret: 'é'.repeat(16) }, { secret: new Uint8Array(32) },
        { secret: 'x'.repeat(48), algorithms: ['HS384', 'HS256'] },
        { secret: long, algorithms: ['HS256', 'HS384', 'HS512'] }
      ]
    },
    'a public key that is none, is weak or is not public': {
      path: 'auth.publicKey',
      refused: [
        '', 'x', long, 1, null, [], {}, rsaPem.slice(0, -40), rsaPrivatePem, `${rsaPem}${rsaPrivatePem}`,
        fixture, rsa.privateKey,
        rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }),
        rsa.privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }),
        p256.privateKey.export({ type: 'sec1', format: 'pem' }), rsa.privateKey.export({ format: 'jwk' }),
        ed25519.privateKey.export({ format: 'jwk' }),
        { kty: 'oct', k: encoded(long) }, { kty: 'RSA' }, Buffer.from(rsaPem), weakRsa.publicKey,
        weakRsa.publicKey.export({ format: 'jwk' })
      ].map(publicKey => ({ ...rs256, publicKey })),
      accepted: [
        rsaPem,
        rsa.publicKey,
        rsa.publicKey.export({ format: 'jwk' }),
        rsa.publicKey.export({ type: 'pkcs1', format: 'pem' })
      ].map(publicKey => ({ ...rs256, publicKey }))
    },
    'a list of algorithms that is none': {
      path: 'auth.algorithms',
      refused: [undefined, null, [], 'HS256', {}].map(algorithms => ({ algorithms })),
      accepted: [{}]
    },
    'an algorithm that it does not know, or that does not fit the key': {
      path: 'auth.algorithms[0]',
      refused: [
        ...[
          'none',
          'None',
          '',
          'hs256',
          'HS1',
          'constructor',
          '__proto__',
          1,
          null,
          ['HS256'],
          'RS256',
          'PS256',
          'ES256',
          'EdDSA'
        ].map(name => ({ algorithms: [name] })),
        ...['none', 'HS256', 'HS512', 'RSA-OAEP', 'dir', 'ES256K', 'ES256', 'ES384', 'EdDSA', 'Ed25519'].map(
          name => ({ ...rs256, algorithms: [name, 'RS256'] })
        ),
        ...['none', 'HS256', 'ES256K'].map(name => ({ ...jwks, algorithms: [name] })),
        ...['ES384', 'ES512', 'RS256', 'EdDSA'].map(name => ({
          ...rs256,
          publicKey: p256.publicKey,
          algorithms: [name]
        })),
        ...['ES256', 'RS256', 'PS256'].map(name => ({
          ...rs256,
          publicKey: ed25519.publicKey,
          algorithms: [name]
        })),
        ...[rsaPss, secp256k1, x25519].flatMap(pair =>
          ['PS256', 'ES256', 'EdDSA'].map(name => ({
            ...rs256,
            publicKey: pair.publicKey,
            algorithms: [name]
          }))
        )
      ],
      accepted: [
        { ...rs256, algorithms: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] },
        { ...rs256, publicKey: p256.publicKey, algorithms: ['ES256'] },
        { ...rs256, publicKey: ed25519.publicKey, algorithms: ['EdDSA', 'Ed25519'] },
        { ...jwks, algorithms: ['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] }
      ]
    },
    'an algorithm that stands behind good ones': {
      path: 'auth.algorithms[1]',
      refused: [
        { algorithms: ['HS256', 'none'] },
        { algorithms: ['HS256', 'RS256'] },
        { ...rs256, algorithms: ['RS256', 'HS256'] },
        { ...rs256, algorithms: ['RS256', 'ES256'] }
      ],
      accepted: []
    },
    'an issuer that says nothing': {
      path: 'auth.issuer',
      refused: [undefined, null, '', [], [''], [ISSUER, ''], [1], 1, /x/].map(issuer => ({ issuer })),
      accepted: [{ issuer: [ISSUER] }]
    },
    'an audience that says nothing': {
      path: 'auth.audience',
      refused: [undefined, null, '', [], [''], [AUDIENCE, ''], [1], 1, /x/].map(audience => ({ audience })),
      accepted: [{ audience: [AUDIENCE] }]
    },
    'a claim for the roles that has no name': {
      path: 'auth.rolesClaim',
      refused: [null, '', [], [''], ['realm_access', ''], [1], 1, false].map(rolesClaim => ({ rolesClaim })),
      accepted: [{ rolesClaim: 'a' }, { rolesClaim: ['a', 'b'] }]
    },
    'an address of keys that others can see or change on the way': {
      path: 'auth.jwksUri',
      refused: [
        '', 'x', '/keys', 1, null, [], 'http://issuer.example/keys', 'http://10.0.0.1',
        'http://localhost.example', 'http://127.0.0.1.example', 'http://[::2]', 'http://0.0.0.0',
        'ftp://issuer.example', 'file:///etc/keys', 'data:application/json,{}', 'https://',
        'https://user@issuer.example', 'https://:secret@issuer.example', 'http://issuer.example@[::2]/'
      ].map(jwksUri => ({ ...jwks, jwksUri })),
      accepted: [
        'https://issuer.example/keys?a=b',
        'http://localhost:8080',
        'http://LOCALHOST',
        'http://127.0.0.1',
        'http://127.1',
        'http://[::1]:80/'
      ].map(jwksUri => ({ ...jwks, jwksUri }))
    },
    'a tolerance of more than a minute': {
      path: 'auth.clockToleranceMs',
      refused: [-1, 60_001, 0.5, NaN, Infinity, '5', null, true].map(clockToleranceMs => ({
        clockToleranceMs
      })),
      accepted: [{ clockToleranceMs: 0 }, { clockToleranceMs: 60_000 }]
    },
    'a cool-down that is out of bounds or has no use': {
      path: 'auth.cooldownMs',
      refused: [
        ...[0, -1, 999, 300_001, 1.5, NaN, Infinity, '30000', null].map(cooldownMs => ({
          ...jwks,
          cooldownMs
        })),
        { cooldownMs: 30_000 },
        { ...rs256, cooldownMs: 30_000 }
      ],
      accepted: [{ ...jwks, cooldownMs: 1_000 }, { ...jwks, cooldownMs: 300_000 }]
    },
    'a bad time to check again': {
      path: 'auth.revalidateMs',
      refused: [-1, 0.5, NaN, '60000', null, true].map(revalidateMs => ({ revalidateMs })),
      accepted: [{ revalidateMs: 0 }, { revalidateMs: false }]
    },
    'what no auth may have: required': {
      path: 'auth.required',
      refused: [null, 0, 'no'].map(required => ({ required })),
      accepted: [{ required: false }]
    },
    'what no auth may have: permissions': {
      path: 'auth.permissions.defualt',
      refused: [{ permissions: { defualt: 'deny' } }],
      accepted: [{ permissions: { default: 'deny' } }]
    }
  }

  for (const [title, { path, refused, accepted }] of Object.entries(table)) {
    t.test(title, async t => {
      for (const options of refused) {
        const error = refusal({ ...withSecret, ...options })
        t.equal(error?.path, path, shown(options))
      }
      for (const options of accepted) {
        t.equal(refusal({ ...withSecret, ...options }), undefined, shown(options))
      }
    })
  }

  t.test('options that are no object', async t => {
    for (const options of [undefined, null, SECRET, 1, [], () => {}]) {
      t.equal(refusal(options)?.path, 'auth', shown(options))
    }
  })

  t.test('without ever showing a secret or a key', async t => {
    for (const options of [
      { secret: 'short secret' },
      { ...rs256, publicKey: rsaPrivatePem },
      { ...jwks, jwksUri: 'https://:short secret@issuer.example' }
    ]) {
      const { message } = refusal({ ...withSecret, ...options }) ?? {}
      t.type(message, 'string')
      t.notMatch(message, /short secret|BEGIN|MII/)
    }
    t.equal(createPublicKey(rsaPrivatePem).type, 'public', 'node itself would have taken the private key')
  })

  t.end()
})
