import t from 'tap'
import { explainedBy, TokenRefusal } from '../../../lib/auth/token-refusal.js'
import { FakeClock } from '../../support/fake-clock.js'
import {
  AUDIENCE, ISSUER, NOW, alice, forged, hs256, ofAlice, validator, withSecret
} from '../../support/tokens.js'

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

  t.test('[G-B2] a token without exp, or with one that never comes or is no number, is refused', async t => {
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

  t.test('the reason of a refusal is logged, without the token', async t => {
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
      const claims = JSON.stringify({ ...alice, roles: undefined }).slice(0, -1)
      const smuggled = `${claims},"${name}":{"roles":["admin"]}}`
      t.same(
        await validator(withSecret)(hs256(smuggled)),
        { ...ofAlice, roles: [] },
        `roles in a claim named ${name}`
      )
    }
  })

  t.end()
})
