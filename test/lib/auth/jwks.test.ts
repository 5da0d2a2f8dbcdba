import { sign } from 'node:crypto'
import t from 'tap'
import { JwksError } from '../../../lib/auth/jwks.js'
import { FakeClock } from '../../support/fake-clock.js'
import {
  NOW, SECRET, alice, ed25519, encoded, forged, jwkOf, keyServer, ofAlice, otherRsa, p256, remote, rsa,
  rsaPem, signed, unknownKid, validator, weakRsa
} from '../../support/tokens.js'

t.test('the keys of a jwksUri', t => {
  t.test('are fetched for the first token and kept', async t => {
    const server = await keyServer(t, [
      await jwkOf(rsa.publicKey, 'rsa'),
      await jwkOf(p256.publicKey, 'p256'),
      await jwkOf(ed25519.publicKey, 'ed')
    ])
    const validate = validator(remote(server))
    t.equal(server.asked, 0)
    const tokens = [
      await signed(rsa.privateKey, { alg: 'RS256', kid: 'rsa' }),
      await signed(p256.privateKey, { alg: 'ES256', kid: 'p256' }),
      await signed(ed25519.privateKey, { alg: 'EdDSA', kid: 'ed' }),
      await signed(p256.privateKey, { alg: 'ES256' })
    ]
    for (const session of await Promise.all([...tokens, ...tokens].map(validate))) t.same(session, ofAlice)
    t.equal(server.asked, 1)
    t.equal(
      await validate(await signed(otherRsa.privateKey, { alg: 'RS256', kid: 'rsa' })),
      null,
      'signed by another key'
    )
    t.equal(
      await validate(await signed(p256.privateKey, { alg: 'ES256', kid: 'ed' })),
      null,
      'under the name of another key'
    )
    t.equal(
      await validate(forged({ alg: 'HS256', kid: 'rsa' }, alice, rsaPem)),
      null,
      'with the public key as the secret'
    )
    t.equal(server.asked, 1)
  })

  t.test('must be told apart by the token', async t => {
    const server = await keyServer(t, [await jwkOf(rsa.publicKey, 'a'), await jwkOf(otherRsa.publicKey, 'b')])
    const validate = validator(remote(server))
    t.equal(await validate(await signed(rsa.privateKey, { alg: 'RS256' })), null)
    t.same(await validate(await signed(otherRsa.privateKey, { alg: 'RS256', kid: 'b' })), ofAlice)
  })

  t.test('are names only, also when they look like paths', async t => {
    const server = await keyServer(t, [await jwkOf(rsa.publicKey, 'a')])
    const clock = new FakeClock()
    const validate = validator(remote(server), clock)
    const kids: unknown[] = [
      '',
      'A',
      'a\0',
      '../../../../dev/null',
      '/etc/passwd',
      "a' OR '1'='1",
      'a; DROP TABLE keys',
      '__proto__',
      'constructor',
      '0',
      0,
      null,
      true,
      ['a'],
      { kid: 'a' },
      'a'.repeat(4_000)
    ]
    for (const kid of kids) {
      const input = `${encoded({ alg: 'RS256', kid })}.${encoded(alice)}`
      const other = await signed(rsa.privateKey, { alg: 'RS256', kid: 'a' })
      const token = `${input}.${other.split('.')[2] ?? ''}`
      t.equal(await validate(token), null, String(JSON.stringify(kid)).slice(0, 40))
      const honest =
        typeof kid === 'string' ? await validate(await signed(rsa.privateKey, { alg: 'RS256', kid })) : null
      t.equal(honest, null)
    }
    t.equal(server.asked, 1)
  })

  t.test('are not used for what they are not meant for', async t => {
    const encryption = { ...await jwkOf(rsa.publicKey, 'enc'), use: 'enc' }
    const server = await keyServer(t, [
      encryption, { ...await jwkOf(rsa.publicKey, 'alg'), alg: 'RS512' },
      await jwkOf(rsa.privateKey, 'private'), await jwkOf(weakRsa.publicKey, 'weak'),
      { kty: 'oct', kid: 'oct', k: encoded(SECRET) }, { kty: 'RSA', kid: 'broken', n: '%', e: 'AQAB' },
      { kid: 'empty' }, await jwkOf(p256.publicKey, 'good')
    ])
    const validate = validator(remote(server))
    for (const kid of ['enc', 'alg', 'private', 'broken', 'empty']) {
      t.equal(await validate(await signed(rsa.privateKey, { alg: 'RS256', kid })), null, kid)
    }
    const input = `${encoded({ alg: 'RS256', kid: 'weak' })}.${encoded(alice)}`
    t.equal(
      await validate(
        `${input}.${sign('sha256', Buffer.from(input), weakRsa.privateKey).toString('base64url')}`
      ),
      null,
      'weak'
    )
    t.equal(await validate(forged({ alg: 'HS256', kid: 'oct' }, alice)), null, 'oct')
    t.same(await validate(await signed(p256.privateKey, { alg: 'ES256', kid: 'good' })), ofAlice)
  })

  t.test(
    'may change: a new one is found after the cool-down, and one that was withdrawn counts no longer',
    async t => {
      const server = await keyServer(t, [await jwkOf(rsa.publicKey, 'old')])
      const clock = new FakeClock()
      const validate = validator(remote(server), clock)
      const old = await signed(rsa.privateKey, { alg: 'RS256', kid: 'old' })
      const fresh = await signed(otherRsa.privateKey, { alg: 'RS256', kid: 'new' })
      t.same(await validate(old), ofAlice)

      server.answer = [await jwkOf(otherRsa.publicKey, 'new')]
      clock.turn(29_999)
      t.equal(await validate(fresh), null)
      t.equal(server.asked, 1)
      clock.turn(1)
      t.same(await validate(fresh), ofAlice)
      t.equal(server.asked, 2)
      t.equal(await validate(old), null)
      t.equal(server.asked, 2)
    }
  )

  t.test('are fetched once more at most, however many tokens name unknown ones', async t => {
    const server = await keyServer(t, [await jwkOf(rsa.publicKey, 'a')])
    const clock = new FakeClock()
    const validate = validator(remote(server, { cooldownMs: 45_000 }), clock)
    const good = await signed(rsa.privateKey, { alg: 'RS256', kid: 'a' })
    t.same(await validate(good), ofAlice)
    for (const [afterMs, asked] of [[44_999, 1], [1, 2], [1, 2], [44_999, 3]] as const) {
      clock.turn(afterMs)
      const sessions = await Promise.all(
        Array.from({ length: 1_000 }, async (_, i) => await validate(unknownKid(i)))
      )
      t.ok(sessions.every(session => session === null))
      t.equal(server.asked, asked)
      t.same(await validate(good), ofAlice)
    }
  })

  t.test('stay known while the endpoint fails, but not for more than 10 minutes', async t => {
    const keys = [await jwkOf(rsa.publicKey, 'a')]
    const server = await keyServer(t, keys)
    const clock = new FakeClock()
    const validate = validator(remote(server), clock)
    const token = await signed(rsa.privateKey, { alg: 'RS256', kid: 'a' }, { ...alice, exp: NOW + 86_400 })
    const session = { ...ofAlice, expiresAt: (NOW + 86_400) * 1_000 }
    t.same(await validate(token), session)

    server.answer = response => { response.writeHead(500).end() }
    clock.turn(30_000)
    await t.rejects(validate(unknownKid()), JwksError, 'whether this is a new key cannot be known')
    t.equal(server.asked, 2)
    t.same(await validate(token), session)

    clock.turn(270_000)
    t.same(await validate(token), session, 'half way, the keys are fetched again beside it')
    await server.whenAsked(3)
    await t.rejects(validate(unknownKid()), JwksError)
    clock.turn(299_999)
    t.same(await validate(token), session, 'and again')
    await server.whenAsked(4)
    await t.rejects(validate(unknownKid()), JwksError)
    clock.turn(1)
    await t.rejects(validate(token), JwksError, 'at 10 minutes they are too old')
    t.equal(server.asked, 4)

    server.answer = keys
    clock.turn(29_998)
    await t.rejects(validate(token), JwksError)
    t.equal(server.asked, 4)
    clock.turn(1)
    t.same(await validate(token), session)
    t.equal(server.asked, 5)
  })

  t.test(
    'are fetched anew while they are good, so that no token waits and a withdrawn one is noticed',
    async t => {
      const server = await keyServer(t, [await jwkOf(rsa.publicKey, 'a'), await jwkOf(p256.publicKey, 'b')])
      const clock = new FakeClock()
      const validate = validator(remote(server), clock)
      const token = await signed(rsa.privateKey, { alg: 'RS256', kid: 'a' })
      t.same(await validate(token), ofAlice)
      server.answer = [await jwkOf(p256.publicKey, 'b')]
      clock.turn(299_999)
      t.same(await validate(token), ofAlice)
      t.equal(server.asked, 1)
      clock.turn(1)
      t.same(await validate(token), ofAlice)
      t.equal(await validate(unknownKid()), null, 'this one waits for the answer')
      t.equal(server.asked, 2)
      t.equal(await validate(token), null)
    }
  )

  t.test('that were not used for 10 minutes are fetched before the next token is looked at', async t => {
    const server = await keyServer(t, [await jwkOf(rsa.publicKey, 'a')])
    const clock = new FakeClock()
    const validate = validator(remote(server), clock)
    const token = await signed(rsa.privateKey, { alg: 'RS256', kid: 'a' }, { ...alice, exp: NOW + 86_400 })
    t.match(await validate(token), { userId: 'alice' })
    server.answer = [await jwkOf(otherRsa.publicKey, 'a')]
    clock.turn(600_000)
    t.equal(await validate(token), null)
    t.equal(server.asked, 2)
  })

  t.end()
})
