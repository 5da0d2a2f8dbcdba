import { createPrivateKey, KeyObject } from 'node:crypto'
import t from 'tap'
import fc from 'fast-check'
import { exportJWK, generateKeyPair, UnsecuredJWT } from 'jose'
import { resolveAuth } from '../../../lib/auth/auth-options.js'
import { jwtAuth, type TokenValidator } from '../../../lib/auth/jwt.js'
import type { JwtAlgorithm } from '../../../lib/auth/jwt-key.js'
import { sampled } from '../../support/sampled.js'
import {
  AUDIENCE, ISSUER, SECRET, alice, base, certificate, encoded, fixture, forged, hs256, jwkOf, keyServer,
  ofAlice, otherRsa, p256, remote, rsa, rsaPem, signed, validator, withSecret
} from '../../support/tokens.js'

/** A good token of exactly so many characters. */
function tokenOfLength (chars: number): string {
  for (let kid = ''; kid.length < 4; kid += 'k') {
    for (let padding = 0; padding < chars; padding++) {
      // Only every length but one in four can be had by the claims alone.
      const length =
        encoded({ alg: 'HS256', kid }).length +
        1 +
        encoded({ ...alice, padding: 'p'.repeat(padding) }).length +
        1 +
        43
      if (length === chars) return forged({ alg: 'HS256', kid }, { ...alice, padding: 'p'.repeat(padding) })
      if (length < chars - 8) padding += Math.floor((chars - length - 8) / 2)
    }
  }
  throw new Error(`no token of ${chars} characters`)
}

t.test('jwtAuth', t => {
  t.test('makes the option auth, with tokens checked again after a minute', async t => {
    const auth = jwtAuth(withSecret)
    t.same(resolveAuth(auth), {
      mode: 'external',
      validate: auth.validate,
      required: true,
      permissions: undefined,
      revalidateMs: 60_000,
      validateTimeoutMs: 30_000
    })
    const exp = Math.floor(Date.now() / 1_000) + 60
    t.same(
      await auth.validate(hs256({ ...alice, exp })),
      { ...ofAlice, expiresAt: exp * 1_000 },
      'by the clock of the system'
    )
    t.equal(await auth.validate(hs256({ ...alice, exp: exp - 3_600 })), null)
  })

  t.test('hands on what every auth may have', async t => {
    const permissions = { default: 'deny', rules: [{ role: 'reader', allow: 'store.get' }] } as const
    const auth = jwtAuth({ ...withSecret, required: false, permissions, revalidateMs: false })
    t.match(resolveAuth(auth), { required: false, permissions, revalidateMs: false })
    t.equal(jwtAuth({ ...withSecret, revalidateMs: 0 }).revalidateMs, 0)
  })

  t.test('takes copies of what it is given', async t => {
    const secret = new TextEncoder().encode(SECRET)
    const algorithms: JwtAlgorithm[] = ['HS256']
    const issuer = [ISSUER]
    const rolesClaim = ['roles']
    const validate = validator({ ...base, secret, algorithms, issuer, rolesClaim })
    secret.fill(0)
    algorithms[0] = 'HS512'
    issuer[0] = rolesClaim[0] = 'another'
    t.same(await validate(hs256(alice)), ofAlice)
  })

  t.end()
})

t.test('a good token is accepted', t => {
  t.test('by its secret', async t => {
    for (const [alg, hash] of [['HS256', 'sha256'], ['HS384', 'sha384'], ['HS512', 'sha512']] as const) {
      const token = forged({ alg, typ: 'JWT' }, alice, SECRET, hash)
      t.same(await validator({ ...withSecret, algorithms: [alg] })(token), ofAlice, alg)
      t.same(
        await validator({
          ...withSecret,
          secret: Buffer.from(SECRET),
          algorithms: ['HS256', 'HS384', 'HS512']
        })(token),
        ofAlice,
        `${alg} of three`
      )
    }
  })

  t.test('by the public key, for each algorithm and each form of key', async t => {
    for (const alg of [
      'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'
    ] as const) {
      const pair = await generateKeyPair(alg, { extractable: true })
      const token = await signed(pair.privateKey, { alg })
      const key = KeyObject.from(pair.publicKey)
      const forms = {
        KeyObject: key,
        PEM: key.export({ type: 'spki', format: 'pem' }) as string,
        JWK: key.export({ format: 'jwk' })
      }
      for (const [form, publicKey] of Object.entries(forms)) {
        t.same(
          await validator({ ...base, publicKey, algorithms: [alg] })(token),
          ofAlice,
          `${alg} by ${form}`
        )
      }
      const another = await generateKeyPair(alg)
      t.equal(
        await validator({ ...base, publicKey: key, algorithms: [alg] })(
          await signed(another.privateKey, { alg })
        ),
        null,
        `${alg} by another key`
      )
    }
  })

  t.test('by a certificate', async t => {
    const validate = validator({ ...base, publicKey: certificate, algorithms: ['ES256'] })
    t.same(await validate(await signed(createPrivateKey(fixture), { alg: 'ES256' })), ofAlice)
    t.equal(await validate(await signed(p256.privateKey, { alg: 'ES256' })), null)
  })

  t.test('from one of several issuers, for one of several audiences', async t => {
    const validate = validator({
      ...withSecret,
      issuer: [ISSUER, 'https://second.example'],
      audience: [AUDIENCE, 'stock']
    })
    for (const claims of [
      {},
      { iss: 'https://second.example' },
      { aud: 'stock' },
      { aud: ['cars', 'stock'] }
    ]) {
      t.same(await validate(hs256({ ...alice, ...claims })), ofAlice, JSON.stringify(claims))
    }
    for (const claims of [{ iss: 'https://third.example' }, { aud: 'cars' }, { aud: ['cars'] }]) {
      t.equal(await validate(hs256({ ...alice, ...claims })), null, JSON.stringify(claims))
    }
  })

  t.end()
})

t.test('a forged token is refused', t => {
  t.test('signed with the public key as the secret', async t => {
    const validate = validator({ ...base, publicKey: rsaPem, algorithms: ['RS256'] })
    t.same(await validate(await signed(rsa.privateKey, { alg: 'RS256' })), ofAlice)
    const spellings = [
      rsaPem, rsaPem.trim(), ` ${rsaPem}`, rsaPem.replaceAll('\n', ''),
      rsa.publicKey.export({ type: 'spki', format: 'der' }),
      rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }),
      JSON.stringify(rsa.publicKey.export({ format: 'jwk' }))
    ]
    for (const [alg, hash] of [
      ['HS256', 'sha256'],
      ['HS384', 'sha384'],
      ['HS512', 'sha512'],
      ['RS256', 'sha256']
    ] as const) {
      for (const secret of spellings) t.equal(await validate(forged({ alg }, alice, secret, hash)), null, alg)
    }
  })

  t.test('without signature', async t => {
    const rsaValidate = validator({ ...base, publicKey: rsaPem, algorithms: ['RS256'] })
    for (const validate of [validator(withSecret), rsaValidate]) {
      t.equal(await validate(new UnsecuredJWT({ ...alice }).encode()), null)
      for (const alg of ['none', 'None', 'NONE', 'nOnE', '', undefined, null, 0, ['HS256'], { HS256: 1 }]) {
        t.equal(await validate(`${encoded({ alg })}.${encoded(alice)}.`), null, `alg ${String(alg)}`)
        t.equal(await validate(forged({ alg }, alice)), null, `alg ${String(alg)}, signed`)
      }
    }
    const [header, claims] = hs256(alice).split('.')
    t.equal(await validator(withSecret)(`${String(header)}.${String(claims)}.`), null)
    t.equal(await validator(withSecret)(`${String(header)}.${String(claims)}`), null)
  })

  t.test('with an algorithm that is not in the list', async t => {
    const validate = validator(withSecret)
    t.equal(await validate(forged({ alg: 'HS384' }, alice, SECRET, 'sha384')), null)
    t.equal(await validate(forged({ alg: 'HS512' }, alice, SECRET, 'sha512')), null)
    t.equal(await validate(forged({ alg: 'hs256' }, alice)), null)
    t.equal(await validate(await signed(rsa.privateKey, { alg: 'RS256' })), null)
    const ps256 = validator({ ...base, publicKey: rsaPem, algorithms: ['PS256'] })
    t.equal(await ps256(await signed(rsa.privateKey, { alg: 'RS256' })), null)
    t.same(await ps256(await signed(rsa.privateKey, { alg: 'PS256' })), ofAlice)
  })

  t.test('with another secret or key', async t => {
    t.equal(await validator(withSecret)(forged({ alg: 'HS256' }, alice, SECRET.slice(1))), null)
    t.equal(await validator(withSecret)(forged({ alg: 'HS256' }, alice, '')), null)
    t.equal(
      await validator({ ...base, publicKey: rsaPem, algorithms: ['RS256'] })(
        await signed(otherRsa.privateKey, { alg: 'RS256' })
      ),
      null
    )
  })

  t.test('with a key of its own in the header, or the address of one, which is not asked', async t => {
    const server = await keyServer(t, [await jwkOf(otherRsa.publicKey, 'evil')])
    const jwk = await exportJWK(otherRsa.publicKey)
    const validate = validator({ ...base, publicKey: rsaPem, algorithms: ['RS256'] })
    for (const header of [
      { jwk },
      { jku: server.url },
      { x5u: server.url },
      { x5c: [jwk.n ?? ''] },
      { jwk, kid: 'evil', jku: server.url }
    ]) {
      t.equal(
        await validate(await signed(otherRsa.privateKey, { alg: 'RS256', ...header })),
        null,
        Object.keys(header).join()
      )
      t.same(
        await validate(await signed(rsa.privateKey, { alg: 'RS256', ...header })),
        ofAlice,
        'by the right key, the header does not matter'
      )
    }
    t.equal(server.asked, 0)
  })

  t.test('with an unknown critical header', async t => {
    const validate = validator(withSecret)
    for (const header of [
      { crit: ['exp'], exp: 1 }, { crit: ['https://example.com/x'], 'https://example.com/x': true },
      { crit: [] }, { crit: 'b64' }, { crit: null }, { crit: ['b64'] },
      { crit: ['b64'], b64: false }, { crit: ['alg'] }, { crit: ['__proto__'] }, { crit: ['constructor'] }
    ]) {
      t.equal(await validate(forged({ alg: 'HS256', ...header }, alice)), null, JSON.stringify(header))
    }
  })

  t.test('with a header or claims that are no JSON object', async t => {
    const validate = validator(withSecret)
    for (const text of ['', '{', '[]', 'null', '"a"', '1', '{}{}', '\u{feff}{}', '{"alg":"HS256"']) {
      t.equal(await validate(forged(text, alice)), null, `header ${text}`)
      t.equal(await validate(forged({ alg: 'HS256' }, text)), null, `claims ${text}`)
    }
    t.equal(
      await validate(forged({ alg: 'HS256' }, `${'['.repeat(2_500)}${']'.repeat(2_500)}`)),
      null,
      'deep claims'
    )
    t.equal(
      await validate(`${encoded({ alg: 'dir', enc: 'A256GCM' })}..AAAA.AAAA.AAAA`),
      null,
      'an encrypted token'
    )
  })

  t.test('with one character more than 8,192, before anything is computed', async t => {
    const validate = validator(withSecret)
    t.same(await validate(tokenOfLength(8_192)), ofAlice)
    t.equal(await validate(tokenOfLength(8_193)), null)
    const server = await keyServer(t, [])
    t.equal(await validator(remote(server))(`${encoded({ alg: 'RS256' })}.${'a'.repeat(8_192)}.a`), null)
    t.equal(server.asked, 0, 'no key is looked for')
  })

  t.test('with any text', async () => {
    const validate = validator(withSecret)
    const part = fc.oneof(
      fc.base64String(),
      fc.json().map(encoded),
      fc.constantFrom(...hs256(alice).split('.'))
    )
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(part, { maxLength: 6 }).map(parts => parts.join('.'))
    )
    const others = texts.filter(text => text !== hs256(alice))
    const property = fc.asyncProperty(others, async text => await validate(text) === null)
    await fc.assert(property, { numRuns: sampled(2_000) })
  })

  t.test('when anything in a good one was changed', async t => {
    const es256 = validator({ ...base, publicKey: p256.publicKey, algorithms: ['ES256'] })
    const good: Array<[TokenValidator, string]> = [
      [validator(withSecret), hs256(alice)],
      [es256, await signed(p256.privateKey, { alg: 'ES256' })]
    ]
    for (const [validate, token] of good) {
      t.same(await validate(token), ofAlice)
      const change = fc.tuple(
        fc.nat(token.length - 1),
        fc.constantFrom('', 'A', '-', '_', '.', '=', '+', '/', ' ', '\n', '\0', 'é'),
        fc.nat(3)
      )
      const changed = fc
        .array(change, { minLength: 1, maxLength: 3 })
        .map(changes =>
          changes.reduce((text, [at, put, cut]) => text.slice(0, at) + put + text.slice(at + cut), token)
        )
      await fc.assert(fc.asyncProperty(changed, async text => {
        fc.pre(!isSame(text, token))
        return await validate(text) === null
      }), { numRuns: sampled(1_000) })
    }
  })

  t.end()
})

/**
 * Whether two tokens sign the same bytes with the same bytes: the last character of a base64 text has bits
 * that nothing is made of.
 */
function isSame (text: string, token: string): boolean {
  const [header, claims, signature = '', ...more] = text.split('.')
  const [goodHeader, goodClaims, goodSignature = ''] = token.split('.')
  return (
    more.length === 0 &&
    header === goodHeader &&
    claims === goodClaims &&
    Buffer.from(signature, 'base64url').equals(Buffer.from(goodSignature, 'base64url'))
  )
}
