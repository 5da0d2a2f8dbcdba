import t from 'tap'
import fc from 'fast-check'
import { gatewayHeaders } from '../../../lib/handshake/gateway-headers.js'
import { SHORT_SECRET_CHARS } from '../../../lib/auth/secret-strength.js'
import { sampled } from '../../support/sampled.js'
import {
  SECRET, noUser, otherSpellings, plain, shown, untrusted, trusted, withSecret
} from '../../support/gateway-requests.js'

const RUNS = { numRuns: sampled(2_000) }

const noSecret = { refused: 401, reason: 'header "X-Gateway-Secret" does not have the secret' }

t.test('[G-B20] where a secret is set, a trusted peer needs it', async t => {
  const identityOf = gatewayHeaders(withSecret)
  for (const peer of trusted) {
    for (const name of ['X-Gateway-Secret', 'x-gateway-secret']) {
      t.same(
        identityOf(peer, [name, SECRET, 'X-Forwarded-User', 'alice']),
        { userId: 'alice', roles: [] },
        peer
      )
    }
    t.same(identityOf(peer, ['X-Forwarded-User', 'alice']), noSecret, 'missing')
    t.same(identityOf(peer, []), noSecret, 'everything is missing')
    const wrong = [
      '',
      ' ',
      SECRET.slice(1),
      SECRET.slice(0, -1),
      `${SECRET} `,
      ` ${SECRET}`,
      `${SECRET}x`,
      SECRET.toUpperCase(),
      `${SECRET}, ${SECRET}`,
      `"${SECRET}"`,
      'x'.repeat(16_000)
    ]
    for (const value of wrong) {
      t.same(
        identityOf(peer, ['X-Gateway-Secret', value, 'X-Forwarded-User', 'alice']),
        noSecret,
        shown(value)
      )
      t.same(
        identityOf(peer, [
          'X-Gateway-Secret',
          value,
          'X-Forwarded-User',
          'alice, bob',
          'X-Forwarded-Groups',
          ','
        ]),
        noSecret,
        'nothing else is told without it'
      )
    }
    t.same(identityOf(peer, ['X-Gateway-Secret', SECRET]), noUser)
    t.same(
      identityOf(peer, [
        'X-Gateway-Secret',
        'wrong',
        'X-Gateway-Secret',
        SECRET,
        'X-Forwarded-User',
        'alice'
      ]),
      { refused: 400, reason: 'header "X-Gateway-Secret" is there more than once' }
    )
    t.same(
      identityOf(peer, ['X-Gateway-Secret', SECRET, 'X_Gateway_Secret', SECRET, 'X-Forwarded-User', 'alice']),
      { refused: 400, reason: 'header "X-Gateway-Secret" is there in another spelling' }
    )
  }
  t.equal(SHORT_SECRET_CHARS, 16)
})

t.test('[G-B20] with any headers', t => {
  const name = fc.oneof(
    fc.constantFrom(
      'X-Forwarded-User',
      'x-forwarded-user',
      'X-Forwarded-Groups',
      'X-Gateway-Secret',
      ...otherSpellings.slice(0, 4),
      'X_Gateway_Secret',
      'Connection',
      'Host',
      '__proto__'
    ),
    fc.string()
  )
  const value = fc.oneof(
    fc.constantFrom('alice', 'root', SECRET, 'admin, writer', 'alice, root', ''),
    fc.string(),
    fc.string({ unit: 'binary' })
  )
  const headers = fc.array(fc.tuple(name, value), { maxLength: 6 })
  const peer = fc.oneof(fc.constantFrom(...untrusted, ...trusted), fc.ipV4(), fc.ipV6(), fc.string())
  const both = [gatewayHeaders(plain), gatewayHeaders(withSecret)]

  t.test('no untrusted peer has an identity', async t => {
    const outside = fc.oneof(
      fc.constantFrom(...untrusted),
      fc.ipV4().filter(address => !address.startsWith('10.')),
      fc.string()
    )
    t.doesNotThrow(() => {
      fc.assert(
        fc.property(outside, headers, (peer, headers) =>
          both.every(identityOf => 'refused' in identityOf(peer, headers.flat()))
        ),
        RUNS
      )
    })
  })

  t.test('an identity comes from one header with the configured name, and from a trusted peer', async t => {
    const good = fc.tuple(
      fc.constantFrom(...trusted),
      fc.shuffledSubarray(
        [
          ['X-Forwarded-User', 'alice'],
          ['X-Gateway-Secret', SECRET],
          ['X-Forwarded-Groups', 'admin'],
          ['Host', 'a.example']
        ],
        { minLength: 2 }
      )
    )
    let identities = 0
    fc.assert(fc.property(fc.oneof(fc.tuple(peer, headers), good), ([peer, headers]) => {
      for (const [i, identityOf] of both.entries()) {
        const answer = identityOf(peer, headers.flat())
        if ('refused' in answer) continue
        identities++
        const users = headers.filter(([name = '']) =>
          /^x[^0-9a-z]*f[^0-9a-z]*o[^0-9a-z]*rwarded[^0-9a-z]*user[^0-9a-z]*$/i.test(name)
        )
        const secrets = headers.filter(([name = '']) => name.toLowerCase() === 'x-gateway-secret')
        if (
          users.length !== 1 ||
          users[0]?.[0]?.toLowerCase() !== 'x-forwarded-user' ||
          users[0][1] !== answer.userId
        ) {
          return false
        }
        if (i === 1 && (secrets.length !== 1 || secrets[0]?.[1] !== SECRET)) return false
        if (!/^(?:(?:::ffff:)?10\.|::FFFF:a00:1$|fd00:)/i.test(peer ?? '')) return false
      }
      return true
    }), RUNS)
    t.ok(identities > sampled(100), `${identities} requests had an identity`)
  })

  t.test('a refusal names no value', async t => {
    const secretive = fc.stringMatching(/^[a-z]{12}[,; "]?[a-z]{12}$/)
    t.doesNotThrow(() => {
      fc.assert(
        fc.property(
          peer,
          fc.array(fc.tuple(name, secretive), { minLength: 1, maxLength: 4 }),
          (peer, headers) =>
            both.every(identityOf => {
              const answer = identityOf(peer, headers.flat())
              return !('refused' in answer) || headers.every(([, value]) => !answer.reason.includes(value))
            })
        ),
        RUNS
      )
    })
  })

  t.end()
})
