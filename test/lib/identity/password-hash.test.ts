import fc from 'fast-check'
import t from 'tap'
import { formatHash, parseHash, type PasswordSetting } from '../../../lib/identity/password-hash.js'
import { deriveKey } from '../../../lib/identity/password-key.js'
import { Passwords } from '../../../lib/identity/passwords.js'
import { isThorough } from '../../support/sampled.js'
import {
  ARGON2_SETTING, OLD_SETTING, SCRYPT_SETTING, Zeros, cheap, zeroHash, zeroKey, zeroSalt
} from '../../support/passwords.js'

t.test('a stored text', t => {
  const readable = [
    SCRYPT_SETTING, OLD_SETTING, '$scrypt$16384$8$1', '$scrypt$2$1$1', '$scrypt$ln=1,r=1,p=1',
    '$scrypt$ln=15,r=1,p=16', '$scrypt$ln=18,r=8,p=1',
    '$scrypt$ln=17,r=8,p=1', '$scrypt$ln=13,r=8,p=10', ARGON2_SETTING, '$argon2id$v=19$m=8,t=1,p=1',
    '$argon2id$v=19$m=47104,t=1,p=1',
    '$argon2id$v=19$m=7168,t=5,p=1', '$argon2id$v=19$m=65536,t=3,p=4', '$argon2id$v=19$m=262144,t=2,p=16'
  ].map(zeroHash)

  const unreadable = [
    '', '$', '$$$$$', 'swordfish', '$scrypt', '$scrypt$',
    '$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW',
    `scrypt$ln=15,r=8,p=3$${zeroSalt}$${zeroKey}`,
    ...[
      '$scrypt$ln=0,r=8,p=1', '$scrypt$ln=-1,r=8,p=1', '$scrypt$ln=015,r=8,p=3', '$scrypt$ln=15.0,r=8,p=3',
      '$scrypt$ln=1e1,r=8,p=3', '$scrypt$ln=0x0f,r=8,p=3',
      '$scrypt$ln=15,r=0,p=3', '$scrypt$ln=15,r=8,p=0', '$scrypt$ln=15,r=8', '$scrypt$ln=15,p=3,r=8',
      '$scrypt$ln=15,r=8,p=3,x=1', '$scrypt$ln=15, r=8, p=3',
      '$scrypt$ln=19,r=8,p=1', '$scrypt$ln=99,r=99,p=99', '$scrypt$ln=18,r=8,p=2', '$scrypt$ln=1,r=1,p=17',
      '$scrypt$ln=16,r=1,p=1', '$scrypt$ln=20,r=1,p=1',
      '$scrypt$ln=15,r=8,p=9007199254740993', '$scrypt$ln=15,r=8,p=1\n', '$SCRYPT$ln=15,r=8,p=3',
      '$scrypt$v=1$ln=15,r=8,p=3',
      '$scrypt$0$8$1', '$scrypt$1$8$1', '$scrypt$3$8$1', '$scrypt$16383$8$1', '$scrypt$016384$8$1',
      '$scrypt$16384$0$1', '$scrypt$16384$8$0', '$scrypt$16384$8',
      '$scrypt$1048576$8$1', '$scrypt$4194304$1$1', '$scrypt$9999999999$8$1', '$scrypt$NaN$8$1',
      '$scrypt$Infinity$8$1', '$scrypt$-16384$8$1', '$scrypt$16384$8$99',
      '$argon2id$m=19456,t=2,p=1', '$argon2id$v=16$m=19456,t=2,p=1', '$argon2i$v=19$m=19456,t=2,p=1',
      '$argon2d$v=19$m=19456,t=2,p=1',
      '$argon2id$v=19$m=7,t=1,p=1', '$argon2id$v=19$m=127,t=1,p=16', '$argon2id$v=19$m=136,t=1,p=17',
      '$argon2id$v=19$m=262145,t=1,p=1', '$argon2id$v=19$m=4194304,t=1,p=1',
      '$argon2id$v=19$m=19456,t=99,p=1', '$argon2id$v=19$m=19456,t=0,p=1',
      '$argon2id$v=19$m=19456,t=4294967295,p=1', '$argon2id$v=19$m=19456,t=2,p=255',
      '$argon2id$v=19$m=19456,t=2,p=1,keyid=AAAA', '$argon2id$v=19$m=19456,t=2,p=1,data=AAAA',
      '$argon2id$v=19$t=2,m=19456,p=1'
    ].map(zeroHash),
    ...[
      '', '$', `$${zeroSalt}`, `$$${zeroKey}`, `$${zeroSalt}$`, `$${zeroSalt}$${zeroKey}$`,
      `$${zeroSalt}$${zeroKey}\n`, ` $${zeroSalt}$${zeroKey}`,
      `$${'A'.repeat(9)}$${zeroKey}`, `$${'A'.repeat(10)}$${zeroKey}`, `$${'A'.repeat(87)}$${zeroKey}`,
      `$${zeroSalt}$${'A'.repeat(20)}`, `$${zeroSalt}$${'A'.repeat(87)}`,
      `$${zeroSalt}$${'A'.repeat(100_000)}`, `$${zeroSalt}$${zeroKey}===`, `$${zeroSalt}$=${zeroKey}`,
      `$${'-'.repeat(22)}$${zeroKey}`, `$${zeroSalt}B$${zeroKey}`,
      `$${'!'.repeat(22)}$${'!'.repeat(43)}`, `$${zeroSalt}$${zeroKey.slice(1)}B`,
      `$${zeroSalt}\0$${zeroKey}`, `$${zeroSalt}$${zeroKey}\0`
    ].map(rest => SCRYPT_SETTING + rest)
  ]

  t.test('is a hash only when its costs are within bounds and each of its parts is well-formed', async t => {
    const keys = new Zeros()
    const passwords = new Passwords({}, keys)
    for (const text of readable) {
      t.ok((await passwords.check('swordfish', text)).valid, text)
      t.equal(passwords.settingOf(text)?.startsWith('$'), true)
    }
    keys.taken()
    for (const text of unreadable) {
      const shown = JSON.stringify(text.slice(0, 120))
      t.same(await passwords.check('swordfish', text), { valid: false, renewed: undefined }, shown)
      t.same(keys.taken(), [ARGON2_SETTING], 'no more is computed than for an unknown user')
      t.equal(passwords.settingOf(text), undefined)
    }
  })

  t.test('is never more than can be computed', async t => {
    const cost = fc
      .record({
        ln: fc.integer({ min: 0, max: 20 }),
        r: fc.integer({ min: 1, max: 99 }),
        p: fc.integer({ min: 1, max: 20 })
      })
      .filter(({ ln, r, p }) => 2 ** ln * r * p <= 65_536)
      .map(({ ln, r, p }) => `$scrypt$ln=${ln},r=${r},p=${p}`)
    const lanes = fc
      .record({
        m: fc.integer({ min: 1, max: 512 }),
        t: fc.integer({ min: 1, max: 2 }),
        p: fc.integer({ min: 1, max: 20 })
      })
      .map(({ m, t, p }) => `$argon2id$v=19$m=${m},t=${t},p=${p}`)
    const bytes = fc
      .uint8Array({ minLength: 7, maxLength: 66, size: 'max' })
      .map(bytes => Buffer.from(bytes).toString('base64').replaceAll('=', ''))
    const runs = isThorough ? 300 : 60
    let computed = 0
    fc.assert(fc.property(fc.oneof(cost, lanes), bytes, bytes, (setting, salt, key) => {
      const text = `${setting}$${salt}$${key}`
      const hash = parseHash(text)
      if (hash === undefined) return true
      computed++
      return (
        deriveKey('swordfish', { ...hash, keyBytes: hash.key.length }).length === hash.key.length &&
        formatHash(hash) === text
      )
    }), { numRuns: runs })
    t.ok(computed > runs / 15, `${computed} were computed`)
    const largest = parseHash(zeroHash('$scrypt$ln=18,r=8,p=1'))?.setting as PasswordSetting
    t.equal(deriveKey('swordfish', { ...cheap, setting: largest }).length, cheap.keyBytes, 'the largest')
  })

  t.end()
})
