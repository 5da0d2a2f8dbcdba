import { createHmac, randomBytes, scryptSync } from 'node:crypto'
import { verifySync } from '@node-rs/argon2'
import t from 'tap'
import { formatHash, formatSetting, type PasswordSetting } from '../../../lib/identity/password-hash.js'
import type { KeyRequest } from '../../../lib/identity/password-key.js'
import type { KeyJob, KeySource } from '../../../lib/identity/password-workers.js'
import { Passwords } from '../../../lib/identity/passwords.js'
import {
  ARGON2_SETTING, OLD_SETTING, SCRYPT_SETTING, Zeros, workers, zeroHash, zeroSalt
} from '../../support/passwords.js'

/** A hash as the original server writes it. */
function originalHash (password: string): string {
  const salt = randomBytes(16)
  const key = scryptSync(password, salt, 64, { N: 16_384, r: 8, p: 1 })
  return `$scrypt$16384$8$1$${salt.toString('base64')}$${key.toString('base64')}`
}

/**
 * A hash of a password that was not normalised, as earlier versions have made it; its key is one of
 * `Digests`.
 */
function hashAsGiven (password: string, setting: PasswordSetting): string {
  const salt = new Uint8Array(randomBytes(16))
  return formatHash({ setting, salt, key: digestOf(password, { setting, salt, keyBytes: 32 }) })
}

/** A key that differs by password, setting and salt as a real one does, without its costs. */
function digestOf (password: string, { setting, salt, keyBytes }: KeyRequest): Uint8Array {
  const digest = createHmac('sha512', salt).update(`${formatSetting(setting)} ${password}`).digest()
  return new Uint8Array(digest.subarray(0, keyBytes))
}

/** Computes cheap keys, for tests of the texts that are hashed. */
class Digests implements KeySource {
  async derive ({ password, requests }: KeyJob): Promise<Uint8Array[]> {
    return requests.map(request => digestOf(password, request))
  }

  async close (): Promise<void> {}
}

t.test('a new hash', t => {
  t.test('is a PHC string of scrypt with the settings of OWASP, and a salt of its own', async t => {
    const passwords = new Passwords({ argon2: false }, workers)
    const hash = await passwords.hash('pässword')
    t.match(hash, /^\$scrypt\$ln=15,r=8,p=3\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    const [salt = '', key = ''] = hash.split('$').slice(3)
    const expected = scryptSync(Buffer.from('pässword', 'utf8'), Buffer.from(salt, 'base64'), 32, {
      N: 32_768,
      r: 8,
      p: 3,
      maxmem: 64 * 1024 * 1024
    })
    t.equal(key, expected.toString('base64').replaceAll('=', ''))
    const other = await passwords.hash('pässword')
    t.not(other.split('$')[3], salt)
    t.equal(passwords.settingOf(hash), SCRYPT_SETTING)
  })

  t.test('is one of Argon2id where @node-rs/argon2 is installed', async t => {
    const passwords = new Passwords({}, workers)
    const hash = await passwords.hash('pässword')
    t.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    t.ok(verifySync(hash, 'pässword'), 'the package itself verifies it')
    t.same(await passwords.check('pässword', hash), { valid: true, renewed: undefined })
    t.same(await passwords.check('password', hash), { valid: false, renewed: undefined })
    t.equal(passwords.settingOf(hash), ARGON2_SETTING)
  })

  t.test('is refused for more than 1,024 characters', async t => {
    const keys = new Zeros()
    const passwords = new Passwords({}, keys)
    await t.rejects(passwords.hash('x'.repeat(1_025)), { code: 'VALIDATION_ERROR' })
    t.equal(keys.jobs.length, 0)
    t.ok(await passwords.hash('x'.repeat(1_024)))
  })

  t.end()
})

t.test('a check', t => {
  t.test('tells the right password from others', async t => {
    const passwords = new Passwords({ argon2: false }, workers)
    const hash = await passwords.hash('caf\u00e9')
    t.same(await passwords.check('caf\u00e9', hash), { valid: true, renewed: undefined })
    t.same(await passwords.check('cafe', hash), { valid: false, renewed: undefined })
    t.same(
      await passwords.check('caf\u00e9', undefined),
      { valid: false, renewed: undefined },
      'no password is right without an account'
    )
  })

  t.test('takes every spelling of a character for the same', async t => {
    const passwords = new Passwords({ argon2: false }, new Digests())
    for (const [made, typed] of [
      ['caf\u00e9', 'cafe\u0301'],
      ['cafe\u0301', 'caf\u00e9'],
      ['\uff41\uff42\uff43', 'abc'],
      ['\ufb01sh', 'fish']
    ] as const) {
      t.same(await passwords.check(typed, await passwords.hash(made)), { valid: true, renewed: undefined })
    }
    t.same(
      await passwords.check('CAFE\u0301', await passwords.hash('caf\u00e9')),
      { valid: false, renewed: undefined },
      'case counts'
    )
  })

  t.test('still verifies a hash of another spelling, and renews it', async t => {
    const passwords = new Passwords({ argon2: false }, new Digests())
    for (const N of [16_384, 32_768]) {
      const hash = hashAsGiven('cafe\u0301', { algorithm: 'scrypt', N, r: 8, p: N === 16_384 ? 1 : 3 })
      t.same(
        await passwords.check('caf\u00e9', hash, [OLD_SETTING]),
        { valid: false, renewed: undefined },
        'as it was typed then, and no other'
      )
      const { valid, renewed = '' } = await passwords.check('cafe\u0301', hash, [OLD_SETTING])
      t.ok(valid)
      t.same(
        await passwords.check('caf\u00e9', renewed),
        { valid: true, renewed: undefined },
        'from then on in every spelling'
      )
    }
  })

  t.test('computes as much for an account that does not exist, in each spelling', async t => {
    for (const [password, jobs] of [
      ['cafe', 1],
      ['cafe\u0301', 2],
      ['x'.repeat(1_025), 1],
      ['\u0301'.repeat(1_025), 1]
    ] as const) {
      const counts: number[] = []
      for (const hash of [undefined, originalHash('swordfish')]) {
        const keys = new Zeros()
        await new Passwords({ argon2: false }, keys).check(password, hash, [OLD_SETTING])
        t.equal(keys.jobs.length, jobs)
        counts.push(keys.jobs.flatMap(({ requests }) => requests).length)
      }
      t.equal(counts[0], counts[1])
    }
  })

  t.test('verifies a hash of the original server, and renews it', async t => {
    const passwords = new Passwords({ argon2: false }, workers)
    const hash = originalHash('swordfish')
    t.equal(passwords.settingOf(hash), OLD_SETTING)
    t.same(await passwords.check('sailfish', hash, [OLD_SETTING]), { valid: false, renewed: undefined })
    const { valid, renewed = '' } = await passwords.check('swordfish', hash, [OLD_SETTING])
    t.ok(valid)
    t.equal(passwords.settingOf(renewed), SCRYPT_SETTING)
    t.same(await passwords.check('swordfish', renewed), { valid: true, renewed: undefined })
  })

  t.test(
    'renews hashes of scrypt when Argon2 has come, and does not read those of Argon2 when it has gone',
    async t => {
      const { renewed = '' } = await new Passwords({}, workers).check('swordfish', originalHash('swordfish'))
      t.ok(verifySync(renewed, 'swordfish'))
      const without = new Passwords({ argon2: false }, workers)
      t.equal(without.settingOf(renewed), undefined)
      t.same(await without.check('swordfish', renewed, [ARGON2_SETTING]), {
        valid: false,
        renewed: undefined
      })
    }
  )

  t.test('computes no more for a password of more than 1,024 characters, which is wrong', async t => {
    const keys = new Zeros()
    const passwords = new Passwords({ argon2: false }, keys)
    t.same(await passwords.check('x'.repeat(1_024), zeroHash(SCRYPT_SETTING)), {
      valid: true,
      renewed: undefined
    })
    t.same(await passwords.check('x'.repeat(1_025), zeroHash(SCRYPT_SETTING)), {
      valid: false,
      renewed: undefined
    })
    t.same(keys.jobs.map(({ password }) => password.length), [1_024, 0])
    t.same(keys.taken(), [SCRYPT_SETTING, SCRYPT_SETTING])
  })

  t.test('[G-B14] computes the same for every account', async t => {
    const keys = new Zeros()
    const passwords = new Passwords({}, keys)
    const inUse = [SCRYPT_SETTING, OLD_SETTING, ARGON2_SETTING, SCRYPT_SETTING]
    const everything = [ARGON2_SETTING, OLD_SETTING, SCRYPT_SETTING]
    const other = 'B'.repeat(43)
    const accounts = {
      'an unknown user': undefined,
      'the right password': zeroHash(ARGON2_SETTING),
      'a wrong password': `${ARGON2_SETTING}$${zeroSalt}$${other}`,
      'the right password of an old hash': zeroHash('$scrypt$16384$8$1'),
      'a wrong password of an old hash': `$scrypt$16384$8$1$${zeroSalt}$${other}`,
      'the right password of another setting': zeroHash(SCRYPT_SETTING),
      'a hash that cannot be read': 'swordfish'
    }
    for (const [account, hash] of Object.entries(accounts)) {
      const { valid } = await passwords.check('swordfish', hash, inUse)
      t.equal(valid, account.startsWith('the right password'), account)
      t.same(keys.taken(), everything, account)
    }
    await passwords.check('x'.repeat(2_000), zeroHash(ARGON2_SETTING), inUse)
    t.same(keys.taken(), everything, 'a password that is too long')
  })

  t.test('computes keys with the salt of the account, and new ones for all else', async t => {
    const keys = new Zeros()
    const passwords = new Passwords({ argon2: false }, keys)
    await passwords.check('swordfish', zeroHash(OLD_SETTING), [OLD_SETTING])
    await passwords.check('swordfish', undefined, [OLD_SETTING])
    const salts = keys.jobs.flatMap(({ requests }) =>
      requests.map(({ salt }) => Buffer.from(salt).toString('hex'))
    )
    t.equal(salts.filter(salt => /^0+$/.test(salt)).length, 1)
    t.equal(new Set(salts).size, 4)
  })

  t.test('computes at most four other settings, that of the account among them', async t => {
    const keys = new Zeros()
    const passwords = new Passwords({ argon2: false }, keys)
    const inUse = [1, 2, 3, 4, 5, 6, 7].map(ln => `$scrypt$ln=${ln},r=8,p=1`)
    for (const hash of [undefined, zeroHash(SCRYPT_SETTING), zeroHash('$scrypt$ln=7,r=8,p=1')]) {
      const { valid } = await passwords.check('swordfish', hash, inUse)
      t.equal(valid, hash !== undefined)
      t.equal(keys.taken().length, 5)
    }
  })

  t.test('computes no impossible setting', async t => {
    const keys = new Zeros()
    await new Passwords({ argon2: false }, keys).check('swordfish', undefined, [
      '',
      'scrypt',
      '$scrypt$ln=30,r=8,p=1',
      ARGON2_SETTING
    ])
    t.same(keys.taken(), [SCRYPT_SETTING])
  })

  t.end()
})
