import { once } from 'node:events'
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  KeyObject,
  sign,
  X509Certificate
} from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import fc from 'fast-check'
import {
  exportJWK,
  generateKeyPair,
  SignJWT,
  UnsecuredJWT,
  type CryptoKey,
  type JWK,
  type JWTHeaderParameters
} from 'jose'
import { resolveAuth } from '../../../lib/auth/auth-options.js'
import { explainedBy, TokenRefusal } from '../../../lib/auth/token-refusal.js'
import { JwksError } from '../../../lib/auth/jwks.js'
import { jwtAuth, tokenValidator, type TokenValidator } from '../../../lib/auth/jwt.js'
import type { JwtAlgorithm } from '../../../lib/auth/jwt-key.js'
import { resolveJwt, type JwtAuthOptions } from '../../../lib/auth/jwt-options.js'
import { NoexOptionsError } from '../../../lib/util/option-schema.js'
import { FakeClock } from '../../support/fake-clock.js'
import { projectFile } from '../../support/project-file.js'
import { sampled } from '../../support/sampled.js'

const SECRET = 'a secret that two programs share, long enough for every algorithm'
const ISSUER = 'https://issuer.example'
const AUDIENCE = 'orders'

/** What the HandClock says at first, in seconds as tokens count. */
const NOW = 1_764_000_000

const alice = { iss: ISSUER, aud: AUDIENCE, sub: 'alice', roles: ['writer'], exp: NOW + 600 }
const ofAlice = { userId: 'alice', roles: ['writer'], expiresAt: (NOW + 600) * 1_000 }

const base: Pick<JwtAuthOptions, 'issuer' | 'audience'> = { issuer: ISSUER, audience: AUDIENCE }
const withSecret: JwtAuthOptions = { ...base, secret: SECRET, algorithms: ['HS256'] }

function validator (options: JwtAuthOptions, clock = new FakeClock()): TokenValidator {
  return tokenValidator(resolveJwt(options), clock)
}

function encoded (value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
}

/** Signs anything, also what no library would: header and claims as values, or as the text of the JSON. */
function forged (header: unknown, claims: unknown, secret: string | Buffer = SECRET, hash = 'sha256'): string {
  const input = `${encoded(header)}.${encoded(claims)}`
  return `${input}.${createHmac(hash, secret).update(input).digest('base64url')}`
}

/** A token that only its claims can spoil. */
function hs256 (claims: unknown): string {
  return forged({ alg: 'HS256' }, claims)
}

async function signed (
  key: CryptoKey | KeyObject,
  header: JWTHeaderParameters,
  claims: object = alice
): Promise<string> {
  return await new SignJWT({ ...claims }).setProtectedHeader(header).sign(key)
}

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

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 })
const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2_048 })
const weakRsa = generateKeyPairSync('rsa', { modulusLength: 1_024 })
const rsaPss = generateKeyPairSync('rsa-pss', { modulusLength: 2_048 })
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const secp256k1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
const ed25519 = generateKeyPairSync('ed25519')
const x25519 = generateKeyPairSync('x25519')
const rsaPem = rsa.publicKey.export({ type: 'spki', format: 'pem' }) as string
const rsaPrivatePem = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
const fixture = readFileSync(projectFile('test/fixtures/localhost.pem'), 'utf8')
const certificate = new X509Certificate(fixture).toString()

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
      'RS256',
      'RS384',
      'RS512',
      'PS256',
      'PS384',
      'PS512',
      'ES256',
      'ES384',
      'ES512',
      'EdDSA',
      'Ed25519'
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

t.test('a token that somebody made up is refused', t => {
  t.test('signed with the public key as the secret', async t => {
    const validate = validator({ ...base, publicKey: rsaPem, algorithms: ['RS256'] })
    t.same(await validate(await signed(rsa.privateKey, { alg: 'RS256' })), ofAlice)
    const spellings = [
      rsaPem, rsaPem.trim(), ` ${rsaPem}`, rsaPem.replaceAll('\n', ''),
      rsa.publicKey.export({ type: 'spki', format: 'der' }), rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }), JSON.stringify(rsa.publicKey.export({ format: 'jwk' }))
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

  t.test('with a critical header that nobody here understands', async t => {
    const validate = validator(withSecret)
    for (const header of [
      { crit: ['exp'], exp: 1 }, { crit: ['https://example.com/x'], 'https://example.com/x': true }, { crit: [] }, { crit: 'b64' }, { crit: null }, { crit: ['b64'] },
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

  t.test('whatever text it is', async () => {
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

t.test('the claims decide', t => {
  t.test('issuer and audience must be there and be the right ones', async t => {
    const validate = validator(withSecret)
    for (const iss of [
      undefined,
      null,
      '',
      'https://evil.example',
      `${ISSUER}/`,
      ISSUER.toUpperCase(),
      [ISSUER],
      { [ISSUER]: 1 },
      0,
      true
    ]) {
      t.equal(await validate(hs256({ ...alice, iss })), null, `iss ${JSON.stringify(iss)}`)
    }
    for (const aud of [
      undefined,
      null,
      '',
      'order',
      'orders2',
      'Orders',
      [],
      [[AUDIENCE]],
      { 0: AUDIENCE },
      0,
      true
    ]) {
      t.equal(await validate(hs256({ ...alice, aud })), null, `aud ${JSON.stringify(aud)}`)
    }
  })

  t.test('[G-B2] a token without exp is refused, as is one with an exp that never comes or is no number', async t => {
    const validate = validator(withSecret)
    for (const exp of [
      undefined,
      null,
      '',
      String(NOW + 600),
      `${NOW + 600}`,
      true,
      [NOW + 600],
      {},
      0,
      -1,
      -NOW
    ]) {
      t.equal(await validate(hs256({ ...alice, exp })), null, JSON.stringify(exp))
    }
    const claims = (exp: string): string =>
      JSON.stringify({ ...alice, exp: 0 }).replace('"exp":0', `"exp":${exp}`)
    for (const exp of ['1e400', '-1e400', '1e308', '8640000000001']) {
      t.equal(await validate(hs256(claims(exp))), null, exp)
    }
    t.match(
      await validate(hs256(claims(`${NOW + 600}.5`))),
      { expiresAt: (NOW + 600) * 1_000 + 500 },
      'parts of a second count'
    )
  })

  t.test('exp and nbf hold within the tolerance of 5 seconds', async t => {
    const clock = new FakeClock()
    const validate = validator(withSecret, clock)
    const late = await validate(hs256({ ...alice, exp: NOW - 4 }))
    t.match(late, { expiresAt: (NOW - 4) * 1_000 }, 'the session goes on as long after it')
    t.equal(await validate(hs256({ ...alice, exp: NOW - 5 })), null)
    t.same(await validate(hs256({ ...alice, nbf: NOW + 5 })), ofAlice)
    t.equal(await validate(hs256({ ...alice, nbf: NOW + 6 })), null)
    for (const nbf of [null, '', String(NOW), true, []]) {
      t.equal(await validate(hs256({ ...alice, nbf })), null, `nbf ${JSON.stringify(nbf)}`)
    }
    t.same(
      await validate(hs256({ ...alice, nbf: NOW - 60, iat: NOW + 60 })),
      ofAlice,
      'when it was issued does not matter'
    )

    const token = hs256(alice)
    clock.turn(604_999)
    t.match(await validate(token), { userId: 'alice' })
    clock.turn(1)
    t.equal(await validate(token), null)
  })

  t.test('a moment more than ten years ahead is in another unit, and refused', async t => {
    const validate = validator(withSecret)
    const tenYears = 3_653 * 86_400
    t.match(await validate(hs256({ ...alice, exp: NOW + tenYears })), { expiresAt: (NOW + tenYears) * 1_000 })
    const units = [NOW * 1_000, (NOW + 600) * 1_000, NOW * 1e6, NOW * 1e9, Number.MAX_SAFE_INTEGER]
    const far = [NOW + tenYears + 1, ...units]
    for (const exp of far) {
      t.equal(await validate(hs256({ ...alice, exp })), null, `exp ${exp}`)
      t.equal(await validate(hs256({ ...alice, iat: exp })), null, `iat ${exp}`)
      t.equal(await validate(hs256({ ...alice, nbf: exp })), null, `nbf ${exp}`)
    }
    t.equal(await validate(hs256({ ...alice, iat: 'now' })), null)
  })

  t.test('why a token is refused is told to the server, without the token', async t => {
    const explain = explainedBy(validator(withSecret))?.explain
    const nowhere = { remoteAddress: '', connectionId: null, headers: {} }
    const reason = async (token: string): Promise<unknown> => await explain?.(token, nowhere)
    const reasons: ReadonlyArray<readonly [token: string, reason: RegExp]> = [
      [hs256({ ...alice, exp: NOW - 60 }), /^"exp" claim timestamp check failed$/],
      [hs256({ ...alice, exp: NOW * 1_000 }), /^"exp" is more than ten years ahead; it is to be in seconds$/],
      [hs256({ ...alice, iat: NOW * 1_000 }), /^"iat" is more than ten years ahead/],
      [hs256({ ...alice, nbf: NOW * 1_000 }), /^"nbf" claim timestamp check failed$/],
      [hs256({ ...alice, iss: 'https://evil.example' }), /^unexpected "iss" claim value$/],
      [hs256({ ...alice, aud: undefined }), /"aud"/],
      [hs256({ ...alice, sub: '' }), /^"sub" is no text of 1 to 256 characters$/],
      [hs256({ ...alice, roles: 'admin' }), /^the claim with the roles is no list of texts, or too long$/],
      [forged({ alg: 'HS256' }, alice, 'another secret'), /^signature verification failed$/],
      [forged({ alg: 'none' }, alice), /^"alg"/],
      ['x', /^Invalid Compact JWS$/],
      ['x'.repeat(8_193), /^it has more than 8192 characters$/],
      [hs256({ ...alice, aud: 'x'.repeat(5_000) }), /^unexpected "aud" claim value$/]
    ]
    for (const [token, expected] of reasons) {
      const found = await reason(token)
      t.ok(found instanceof TokenRefusal)
      t.match((found as TokenRefusal).reason, expected)
    }
  })

  t.test('or within another tolerance, from 0 to 60 seconds', async t => {
    const strict = validator({ ...withSecret, clockToleranceMs: 0 })
    t.equal(await strict(hs256({ ...alice, exp: NOW })), null)
    t.match(await strict(hs256({ ...alice, exp: NOW + 1, nbf: NOW })), { userId: 'alice' })
    t.equal(await strict(hs256({ ...alice, nbf: NOW + 1 })), null)
    const loose = validator({ ...withSecret, clockToleranceMs: 60_000 })
    t.match(await loose(hs256({ ...alice, exp: NOW - 59, nbf: NOW + 60 })), { userId: 'alice' })
    t.equal(await loose(hs256({ ...alice, exp: NOW - 60 })), null)
    t.equal(await loose(hs256({ ...alice, nbf: NOW + 61 })), null)
  })

  t.test('sub must be a text of 1 to 256 characters', async t => {
    const validate = validator(withSecret)
    for (const sub of [undefined, null, '', 0, 1, true, ['alice'], { id: 'alice' }, 'a'.repeat(257)]) {
      t.equal(await validate(hs256({ ...alice, sub })), null, JSON.stringify(sub)?.slice(0, 40))
    }
    for (const sub of ['a', '0', '__proto__', 'constructor', "' OR 1=1 --", 'a'.repeat(256)]) {
      t.same(await validate(hs256({ ...alice, sub })), { ...ofAlice, userId: sub }, sub.slice(0, 40))
    }
  })

  t.test('roles must be texts, not too many and not too long; without the claim there are none', async t => {
    const validate = validator(withSecret)
    for (const roles of [
      null,
      'admin',
      '',
      0,
      true,
      {},
      { 0: 'admin', length: 1 },
      [1],
      [null],
      [['admin']],
      ['admin', {}],
      ['r'.repeat(257)],
      Array(101).fill('r')
    ]) {
      t.equal(await validate(hs256({ ...alice, roles })), null, JSON.stringify(roles).slice(0, 40))
    }
    for (const roles of [
      [],
      ['a', 'a'],
      ['__proto__', 'constructor'],
      ['r'.repeat(256)],
      Array<string>(100).fill('r')
    ]) {
      t.same(
        await validate(hs256({ ...alice, roles })),
        { ...ofAlice, roles },
        JSON.stringify(roles).slice(0, 40)
      )
    }
    t.same(await validate(hs256({ ...alice, roles: undefined })), { ...ofAlice, roles: [] })
  })

  t.test('roles come from the configured claim only, taken as it is written', async t => {
    const validate = validator({ ...withSecret, rolesClaim: 'https://example.com/app.roles' })
    t.same(await validate(hs256({ ...alice, 'https://example.com/app.roles': ['reader'] })), {
      ...ofAlice,
      roles: ['reader']
    })
    t.same(
      await validate(hs256({ ...alice, 'https://example.com/app': { roles: ['admin'] } })),
      { ...ofAlice, roles: [] },
      'a dot is no step'
    )
  })

  t.test('or from within other claims, by a path', async t => {
    const validate = validator({ ...withSecret, rolesClaim: ['realm_access', 'roles'] })
    t.same(await validate(hs256({ ...alice, realm_access: { roles: ['reader'] } })), {
      ...ofAlice,
      roles: ['reader']
    })
    t.same(await validate(hs256(alice)), { ...ofAlice, roles: [] }, 'the claim is not there')
    t.same(
      await validate(hs256({ ...alice, realm_access: {} })),
      { ...ofAlice, roles: [] },
      'the member is not there'
    )
    for (const access of [
      null,
      'roles',
      1,
      true,
      [],
      [{ roles: ['admin'] }],
      { roles: 'admin' },
      { roles: { 0: 'admin' } }
    ]) {
      t.equal(await validate(hs256({ ...alice, realm_access: access })), null, JSON.stringify(access))
    }
  })

  t.test('but never from what every object inherits', async t => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      for (const rolesClaim of [
        name,
        [name],
        [name, 'name'],
        ['realm_access', name],
        ['realm_access', name, 'roles'],
        [name, name]
      ]) {
        const validate = validator({ ...withSecret, rolesClaim })
        t.same(
          await validate(hs256({ ...alice, realm_access: {} })),
          { ...ofAlice, roles: [] },
          JSON.stringify(rolesClaim)
        )
      }
      const own = `${JSON.stringify(alice).slice(0, -1)},"${name}":["reader"]}`
      t.same(
        await validator({ ...withSecret, rolesClaim: name })(hs256(own)),
        { ...ofAlice, roles: ['reader'] },
        `a claim of its own named ${name}`
      )
      const smuggled = `${JSON.stringify({ ...alice, roles: undefined }).slice(0, -1)},"${name}":{"roles":["admin"]}}`
      t.same(
        await validator(withSecret)(hs256(smuggled)),
        { ...ofAlice, roles: [] },
        `roles in a claim named ${name}`
      )
    }
  })

  t.end()
})

interface KeyServer {
  readonly url: string
  /** How often it was asked. */
  readonly asked: number
  /** Resolves when it has been asked so often. */
  whenAsked: (times: number) => Promise<void>
  /** How it answers from now on: with these keys, or however else. */
  answer: JWK[] | ((response: ServerResponse) => void)
}

/** A real endpoint of an issuer. */
async function keyServer (t: Test, keys: KeyServer['answer']): Promise<KeyServer> {
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

async function jwkOf (key: KeyObject, kid: string): Promise<JWK> {
  return { ...await exportJWK(key), kid, use: 'sig' }
}

function remote (server: KeyServer, options: Partial<JwtAuthOptions> = {}): JwtAuthOptions {
  return { ...base, jwksUri: server.url, algorithms: ['RS256', 'ES256', 'EdDSA'], ...options }
}

/** A token that names a key which nobody has. */
function unknownKid (i = 0): string {
  return `${encoded({ alg: 'RS256', kid: `unknown ${i}` })}.${encoded(alice)}.AAAA`
}

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
      await signed(rsa.privateKey, { alg: 'RS256', kid: 'rsa' }), await signed(p256.privateKey, { alg: 'ES256', kid: 'p256' }), await signed(ed25519.privateKey, { alg: 'EdDSA', kid: 'ed' }),
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

  t.test('are names only, whatever they look like', async t => {
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
      const token = `${input}.${(await signed(rsa.privateKey, { alg: 'RS256', kid: 'a' })).split('.')[2] ?? ''}`
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
      encryption, { ...await jwkOf(rsa.publicKey, 'alg'), alg: 'RS512' }, await jwkOf(rsa.privateKey, 'private'), await jwkOf(weakRsa.publicKey, 'weak'),
      { kty: 'oct', kid: 'oct', k: encoded(SECRET) }, { kty: 'RSA', kid: 'broken', n: '%', e: 'AQAB' }, { kid: 'empty' }, await jwkOf(p256.publicKey, 'good')
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

t.test('an endpoint that does not give keys', t => {
  /** Sends until the other side has enough. */
  function sendWithoutEnd (response: ServerResponse): void {
    const chunk = Buffer.alloc(65_536, ' ')
    const more = (): void => { while (!response.destroyed && response.write(chunk)); }
    response.on('drain', more)
    more()
  }

  const failures: Record<string, (response: ServerResponse) => void> = {
    'answers 500': response => { response.writeHead(500).end('{"keys":[]}') },
    'answers 404': response => { response.writeHead(404).end('not found') },
    'answers 204': response => { response.writeHead(204).end() },
    'answers 401 without end': response => {
      response.writeHead(401)
      sendWithoutEnd(response)
    },
    'closes the connection': response => { response.destroy() },
    'closes it within the answer': response => {
      response.writeHead(200, { 'content-length': 100 }).write('{"keys":[', () => { response.destroy() })
    },
    'sends nothing': response => { response.end() },
    'sends something else': response => { response.end('<html>') },
    'sends null': response => { response.end('null') },
    'sends no set of keys': response => { response.end('{"keys":{}}') },
    'sends keys that are none': response => { response.end('{"keys":[null]}') },
    'sends a set without keys': response => { response.end('{"keys":[]}') },
    'sends more than 1 MiB': response => { response.end(`{"keys":[{"kty":"RSA"}]}${' '.repeat(1_048_576)}`) },
    'sends more than 1 MiB when unpacked': response => {
      response
        .writeHead(200, { 'content-encoding': 'gzip' })
        .end(gzipSync(`{"keys":[{"kty":"RSA"}]}${' '.repeat(1_048_576)}`))
    },
    'sends without end': sendWithoutEnd
  }

  for (const [title, answer] of Object.entries(failures)) {
    t.test(`and ${title} is asked once in a cool-down, and the fault is not the token's`, async t => {
      const server = await keyServer(t, answer)
      const clock = new FakeClock()
      const validate = validator(remote(server), clock)
      const good = await signed(rsa.privateKey, { alg: 'RS256', kid: 'a' })
      await t.rejects(validate(good), {
        name: 'JwksError',
        message: `the keys at ${new URL(server.url).origin}/keys cannot be fetched`
      })
      clock.turn(29_999)
      const outcomes = await Promise.allSettled(
        Array.from({ length: 1_000 }, async (_, i) => await validate(i % 2 === 0 ? good : unknownKid(i)))
      )
      t.ok(outcomes.every(outcome => outcome.status === 'rejected' && outcome.reason instanceof JwksError))
      t.equal(server.asked, 1)
      clock.turn(1)
      const more = await Promise.allSettled(Array.from({ length: 100 }, async () => await validate(good)))
      t.ok(more.every(outcome => outcome.status === 'rejected' && outcome.reason instanceof JwksError))
      t.equal(server.asked, 2)

      server.answer = [await jwkOf(rsa.publicKey, 'a')]
      clock.turn(30_000)
      t.same(await validate(good), ofAlice)
      t.equal(clock.pending, 0, 'no timer is left')
    })
  }

  t.test('and takes more than 5 seconds is given up, before its answer or within', async t => {
    for (const start of [
      (_response: ServerResponse) => {},
      (response: ServerResponse) => {
        response.write('{"keys":[')
      }
    ]) {
      const server = await keyServer(t, start)
      const clock = new FakeClock()
      const validate = validator(remote(server), clock)
      const attempts = Promise.allSettled(
        Array.from({ length: 1_000 }, async (_, i) => await validate(unknownKid(i)))
      )
      let settled = 0
      const first = validate(unknownKid()).finally(() => { settled++ })
      await server.whenAsked(1)
      clock.turn(4_999)
      await new Promise(setImmediate)
      t.equal(settled, 0)
      clock.turn(1)
      await t.rejects(first, { name: 'JwksError', cause: { message: 'no whole answer within 5000 ms' } })
      t.ok((await attempts).every(outcome => outcome.status === 'rejected'))
      t.equal(server.asked, 1)
      clock.turn(24_999)
      await t.rejects(validate(unknownKid()), JwksError)
      t.equal(server.asked, 1)
    }
  })

  t.test('and takes longer than a short cool-down is not asked again meanwhile', async t => {
    const server = await keyServer(t, () => {})
    const clock = new FakeClock()
    const validate = validator(remote(server, { cooldownMs: 1_000 }), clock)
    const first = validate(unknownKid())
    await server.whenAsked(1)
    clock.turn(4_000)
    const second = validate(unknownKid())
    clock.turn(1_000)
    await t.rejects(first, JwksError)
    await t.rejects(second, JwksError)
    t.equal(server.asked, 1)
  })

  t.test('and sends without end is cut off, whether or not its answer is wanted', async t => {
    for (const status of [200, 500]) {
      let cut: Promise<unknown> = Promise.resolve()
      const server = await keyServer(t, response => {
        cut = once(response, 'close')
        response.writeHead(status)
        sendWithoutEnd(response)
      })
      await t.rejects(validator(remote(server))(unknownKid()), JwksError)
      await cut
      t.equal(server.asked, 1)
    }
  })

  t.test('and holds up a fetch does not hold up the tokens whose keys are known', async t => {
    const server = await keyServer(t, [await jwkOf(rsa.publicKey, 'a')])
    const clock = new FakeClock()
    const validate = validator(remote(server), clock)
    const good = await signed(rsa.privateKey, { alg: 'RS256', kid: 'a' })
    t.same(await validate(good), ofAlice)
    server.answer = () => {}
    clock.turn(30_000)
    const waiting = validate(unknownKid())
    await server.whenAsked(2)
    t.same(await validate(good), ofAlice)
    clock.turn(5_000)
    await t.rejects(waiting, JwksError)
  })

  t.test('and sends elsewhere is not followed', async t => {
    const elsewhere = await keyServer(t, [await jwkOf(rsa.publicKey, 'a')])
    for (const status of [301, 302, 303, 307, 308]) {
      const server = await keyServer(
        t,
        response => { response.writeHead(status, { location: elsewhere.url }).end() }
      )
      await t.rejects(validator(remote(server))(await signed(rsa.privateKey, { alg: 'RS256', kid: 'a' })), {
        name: 'JwksError',
        cause: { message: `the answer has status ${status}` }
      })
      t.equal(server.asked, 1)
    }
    t.equal(elsewhere.asked, 0)
  })

  t.test('because nobody listens there fails in the same way', async t => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    const validate = validator({ ...base, jwksUri: `http://127.0.0.1:${port}/`, algorithms: ['RS256'] })
    await t.rejects(validate(unknownKid()), JwksError)
    t.equal(await validate('no token'), null, 'what is no token needs no key')
  })

  t.end()
})

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
        { secret: '' }, { secret: 'x'.repeat(31) }, { secret: Buffer.alloc(31) }, { secret: 1 }, { secret: null }, { secret: [] }, { secret: {} }, { secret: rsa.publicKey },
        { secret: 'x'.repeat(47), algorithms: ['HS384'] }, { secret: 'x'.repeat(47), algorithms: ['HS256', 'HS384'] },
        { secret: 'x'.repeat(63), algorithms: ['HS512'] }, { secret: 'x'.repeat(63), algorithms: ['HS512', 'HS256'] },
        { secret: rsaPem }, { secret: Buffer.from(certificate) }
      ],
      accepted: [
        { secret: 'x'.repeat(32) }, { secret: 'é'.repeat(16) }, { secret: new Uint8Array(32) },
        { secret: 'x'.repeat(48), algorithms: ['HS384', 'HS256'] }, { secret: long, algorithms: ['HS256', 'HS384', 'HS512'] }
      ]
    },
    'a public key that is none, is weak or is not public': {
      path: 'auth.publicKey',
      refused: [
        '', 'x', long, 1, null, [], {}, rsaPem.slice(0, -40), rsaPrivatePem, `${rsaPem}${rsaPrivatePem}`, fixture, rsa.privateKey,
        rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }), rsa.privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }),
        p256.privateKey.export({ type: 'sec1', format: 'pem' }), rsa.privateKey.export({ format: 'jwk' }), ed25519.privateKey.export({ format: 'jwk' }),
        { kty: 'oct', k: encoded(long) }, { kty: 'RSA' }, Buffer.from(rsaPem), weakRsa.publicKey, weakRsa.publicKey.export({ format: 'jwk' })
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
        { ...rs256, algorithms: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] }, { ...rs256, publicKey: p256.publicKey, algorithms: ['ES256'] },
        { ...rs256, publicKey: ed25519.publicKey, algorithms: ['EdDSA', 'Ed25519'] }, { ...jwks, algorithms: ['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] }
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
        '', 'x', '/keys', 1, null, [], 'http://issuer.example/keys', 'http://10.0.0.1', 'http://localhost.example', 'http://127.0.0.1.example', 'http://[::2]', 'http://0.0.0.0',
        'ftp://issuer.example', 'file:///etc/keys', 'data:application/json,{}', 'https://', 'https://user@issuer.example', 'https://:secret@issuer.example', 'http://issuer.example@[::2]/'
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
