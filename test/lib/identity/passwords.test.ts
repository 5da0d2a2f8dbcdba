import { execFileSync, spawn } from 'node:child_process'
import { createHmac, randomBytes, scryptSync } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, constants, open, openSync, stat, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Worker } from 'node:worker_threads'
import { verifySync } from '@node-rs/argon2'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { NoexServerError } from '../../../lib/protocol/errors.js'
import {
  formatHash,
  formatSetting,
  parseHash,
  type PasswordSetting
} from '../../../lib/identity/password-hash.js'
import { deriveKey, type KeyRequest } from '../../../lib/identity/password-key.js'
import {
  MAX_WAITING_JOBS,
  PasswordWorkers,
  type KeyJob,
  type KeySource
} from '../../../lib/identity/password-workers.js'
import { Passwords } from '../../../lib/identity/passwords.js'
import { isThorough } from '../../support/sampled.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

const OLD_SETTING = '$scrypt$ln=14,r=8,p=1'
const SCRYPT_SETTING = '$scrypt$ln=15,r=8,p=3'
const ARGON2_SETTING = '$argon2id$v=19$m=19456,t=2,p=1'

/** Threads for all tests that do not end or count them. */
const workers = new PasswordWorkers(1)
t.teardown(async () => { await workers.close() })

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

/** Computes cheap keys, where the texts that are hashed are what matters. */
class Digests implements KeySource {
  async derive ({ password, requests }: KeyJob): Promise<Uint8Array[]> {
    return requests.map(request => digestOf(password, request))
  }

  async close (): Promise<void> {}
}

/** Notes what is to be computed instead of computing it: each key is nothing but zeros. */
class Zeros implements KeySource {
  readonly jobs: KeyJob[] = []

  async derive (job: KeyJob): Promise<Uint8Array[]> {
    this.jobs.push(job)
    return job.requests.map(({ keyBytes }) => new Uint8Array(keyBytes))
  }

  async close (): Promise<void> {}

  /** The settings that were computed since the last call, in alphabetical order. */
  taken (): string[] {
    return this.jobs
      .splice(0)
      .flatMap(({ requests }) => requests.map(({ setting }) => formatSetting(setting)))
      .sort()
  }
}

const zeroSalt = 'A'.repeat(22)
const zeroKey = 'A'.repeat(43)

/** A hash that any password fits where the keys are zeros. */
const zeroHash = (setting: string): string => `${setting}$${zeroSalt}$${zeroKey}`

const cheap: KeyRequest = {
  setting: { algorithm: 'scrypt', N: 2, r: 1, p: 1 },
  salt: randomBytes(16),
  keyBytes: 16
}
const job = (...requests: KeyRequest[]): KeyJob => ({ password: 'swordfish', requests })

/** The threads that are started from now on, as long as the test runs. */
function startedWorkers (t: Test): Worker[] {
  const started: Worker[] = []
  const note = (worker: Worker): void => { started.push(worker) }
  process.on('worker', note)
  t.teardown(() => { process.off('worker', note) })
  return started
}

function start (t: Test, size: number): PasswordWorkers {
  const workers = new PasswordWorkers(size)
  t.teardown(async () => { await workers.close() })
  return workers
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
      'nobody has any password'
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

  t.test('[G-B14] computes the same whoever it is for', async t => {
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

  t.test('computes no setting that nobody could have', async t => {
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

t.test('a stored text', t => {
  const readable = [
    SCRYPT_SETTING, OLD_SETTING, '$scrypt$16384$8$1', '$scrypt$2$1$1', '$scrypt$ln=1,r=1,p=1', '$scrypt$ln=15,r=1,p=16', '$scrypt$ln=18,r=8,p=1',
    '$scrypt$ln=17,r=8,p=1', '$scrypt$ln=13,r=8,p=10', ARGON2_SETTING, '$argon2id$v=19$m=8,t=1,p=1', '$argon2id$v=19$m=47104,t=1,p=1',
    '$argon2id$v=19$m=7168,t=5,p=1', '$argon2id$v=19$m=65536,t=3,p=4', '$argon2id$v=19$m=262144,t=2,p=16'
  ].map(zeroHash)

  const unreadable = [
    '', '$', '$$$$$', 'swordfish', '$scrypt', '$scrypt$', '$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW',
    `scrypt$ln=15,r=8,p=3$${zeroSalt}$${zeroKey}`,
    ...[
      '$scrypt$ln=0,r=8,p=1', '$scrypt$ln=-1,r=8,p=1', '$scrypt$ln=015,r=8,p=3', '$scrypt$ln=15.0,r=8,p=3', '$scrypt$ln=1e1,r=8,p=3', '$scrypt$ln=0x0f,r=8,p=3',
      '$scrypt$ln=15,r=0,p=3', '$scrypt$ln=15,r=8,p=0', '$scrypt$ln=15,r=8', '$scrypt$ln=15,p=3,r=8', '$scrypt$ln=15,r=8,p=3,x=1', '$scrypt$ln=15, r=8, p=3',
      '$scrypt$ln=19,r=8,p=1', '$scrypt$ln=99,r=99,p=99', '$scrypt$ln=18,r=8,p=2', '$scrypt$ln=1,r=1,p=17', '$scrypt$ln=16,r=1,p=1', '$scrypt$ln=20,r=1,p=1',
      '$scrypt$ln=15,r=8,p=9007199254740993', '$scrypt$ln=15,r=8,p=1\n', '$SCRYPT$ln=15,r=8,p=3', '$scrypt$v=1$ln=15,r=8,p=3',
      '$scrypt$0$8$1', '$scrypt$1$8$1', '$scrypt$3$8$1', '$scrypt$16383$8$1', '$scrypt$016384$8$1', '$scrypt$16384$0$1', '$scrypt$16384$8$0', '$scrypt$16384$8',
      '$scrypt$1048576$8$1', '$scrypt$4194304$1$1', '$scrypt$9999999999$8$1', '$scrypt$NaN$8$1', '$scrypt$Infinity$8$1', '$scrypt$-16384$8$1', '$scrypt$16384$8$99',
      '$argon2id$m=19456,t=2,p=1', '$argon2id$v=16$m=19456,t=2,p=1', '$argon2i$v=19$m=19456,t=2,p=1', '$argon2d$v=19$m=19456,t=2,p=1',
      '$argon2id$v=19$m=7,t=1,p=1', '$argon2id$v=19$m=127,t=1,p=16', '$argon2id$v=19$m=136,t=1,p=17', '$argon2id$v=19$m=262145,t=1,p=1', '$argon2id$v=19$m=4194304,t=1,p=1',
      '$argon2id$v=19$m=19456,t=99,p=1', '$argon2id$v=19$m=19456,t=0,p=1', '$argon2id$v=19$m=19456,t=4294967295,p=1', '$argon2id$v=19$m=19456,t=2,p=255',
      '$argon2id$v=19$m=19456,t=2,p=1,keyid=AAAA', '$argon2id$v=19$m=19456,t=2,p=1,data=AAAA', '$argon2id$v=19$t=2,m=19456,p=1'
    ].map(zeroHash),
    ...[
      '', '$', `$${zeroSalt}`, `$$${zeroKey}`, `$${zeroSalt}$`, `$${zeroSalt}$${zeroKey}$`, `$${zeroSalt}$${zeroKey}\n`, ` $${zeroSalt}$${zeroKey}`,
      `$${'A'.repeat(9)}$${zeroKey}`, `$${'A'.repeat(10)}$${zeroKey}`, `$${'A'.repeat(87)}$${zeroKey}`, `$${zeroSalt}$${'A'.repeat(20)}`, `$${zeroSalt}$${'A'.repeat(87)}`,
      `$${zeroSalt}$${'A'.repeat(100_000)}`, `$${zeroSalt}$${zeroKey}===`, `$${zeroSalt}$=${zeroKey}`, `$${'-'.repeat(22)}$${zeroKey}`, `$${zeroSalt}B$${zeroKey}`,
      `$${'!'.repeat(22)}$${'!'.repeat(43)}`, `$${zeroSalt}$${zeroKey.slice(1)}B`, `$${zeroSalt}\0$${zeroKey}`, `$${zeroSalt}$${zeroKey}\0`
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

t.test('the threads', t => {
  t.test('[G-A6] let 64 wait, and refuse one more at once', async t => {
    const done: number[] = []
    const jobs = Array.from({ length: 1 + MAX_WAITING_JOBS }, async (_, i) => {
      await workers.derive(job(cheap))
      done.push(i)
    })
    const error = await workers.derive(job(cheap)).catch((error: unknown) => error)
    t.ok(error instanceof NoexServerError)
    t.match(error, { code: 'RATE_LIMITED', details: { retryAfterMs: Number } })
    t.ok((error as { details: { retryAfterMs: number } }).details.retryAfterMs > 0)
    t.same(done, [])
    await Promise.all(jobs)
    t.same(done, [...jobs.keys()], 'the others are served in their order')
    t.equal((await workers.derive(job(cheap, cheap))).length, 2, 'and then the next')
  })

  t.test('are started when there is work for them, up to their number', async t => {
    const started = startedWorkers(t)
    const workers = start(t, 2)
    t.equal(started.length, 0)
    await workers.derive(job(cheap))
    await workers.derive(job(cheap))
    t.equal(started.length, 1)
    await Promise.all(Array.from({ length: 8 }, async () => await workers.derive(job(cheap))))
    t.equal(started.length, 2)
  })

  t.test('leave the event loop and the thread pool of libuv alone', { skip: process.platform === 'win32' }, async t => {
    const passwords = new Passwords({ argon2: false }, workers)
    const hash = await passwords.hash('swordfish')
    const release = blockThreadPool(t)
    let filesWait = true
    const file = new Promise<void>(resolve => {
      stat(import.meta.filename, () => {
        filesWait = false
        resolve()
      })
    })
    let turns = 0
    let next = setImmediate(function turn () {
      turns++
      next = setImmediate(turn)
    })
    t.teardown(() => { clearImmediate(next) })
    t.ok((await passwords.check('swordfish', hash)).valid)
    clearImmediate(next)
    t.ok(filesWait, 'the pool has no thread to spare')
    t.ok(turns > 10, `the event loop has turned ${turns} times`)
    release()
    await file
  })

  t.test('refuse a job whose thread dies, and do the next in another', async t => {
    await workers.derive(job(cheap))
    const started = startedWorkers(t)
    const impossible: KeyRequest = { ...cheap, setting: { algorithm: 'scrypt', N: 3, r: 1, p: 1 } }
    const failing = workers.derive(job(impossible)).catch((error: unknown) => error)
    const next = workers.derive(job(cheap))
    const error = await failing
    t.ok(error instanceof Error && !(error instanceof NoexServerError))
    t.notMatch(String((error as Error).stack) + String((error as Error).cause), 'swordfish')
    t.equal((await next).length, 1)
    t.equal(started.length, 1)
    await started[0]?.terminate()
    t.equal((await workers.derive(job(cheap))).length, 1, 'after a thread has died that had nothing to do')
    t.equal(started.length, 2)
  })

  t.test('end with close, and refuse what they have not done', async t => {
    const started = startedWorkers(t)
    const keys = start(t, 1)
    const passwords = new Passwords({ argon2: false }, keys)
    const hash = await passwords.hash('swordfish')
    const refusals = [hash, undefined, hash].map(
      async hash => { await t.rejects(passwords.check('swordfish', hash), { message: /closed/ }) }
    )
    const exit = once(started[0] as Worker, 'exit')
    await passwords.close()
    await Promise.all([...refusals, exit])
    await t.rejects(passwords.hash('swordfish'), { message: /closed/ })
    await passwords.close()
    t.equal(started.length, 1)
  })

  t.test('keep a process alive only as long as it waits for a password', async t => {
    const source = new URL('../../../lib/identity/passwords.js', import.meta.url)
    const script = join(temporaryDirectory(t), 'script.mjs')
    writeFileSync(script, `
      import { Passwords } from ${JSON.stringify(source)}
      console.log(await new Passwords({ argon2: false }).hash('swordfish'))`)
    const child = spawn(process.execPath, [...process.execArgv, script], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    t.teardown(() => { child.kill('SIGKILL') })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => { output += String(chunk) })
    const [code] = await once(child, 'close') as [number | null]
    t.equal(code, 0)
    t.equal(parseHash(output.trim())?.key.length, 32)
  })

  t.end()
})

/** Occupies every thread that libuv has for files and the like, until it is told to release them. */
function blockThreadPool (t: Test): () => unknown {
  const pipe = join(temporaryDirectory(t), 'pipe')
  execFileSync('mkfifo', [pipe])
  // Opening a named pipe for reading takes until somebody opens it for writing.
  const readers = Array.from({ length: Number(process.env['UV_THREADPOOL_SIZE'] ?? 4) }, async () => {
    closeSync(await promisify(open)(pipe, 'r'))
  })
  let writer: number | undefined
  const release = (): number => {
    writer ??= openSync(pipe, constants.O_RDWR)
    return writer
  }
  t.teardown(async () => {
    const writer = release()
    await Promise.all(readers)
    closeSync(writer)
  })
  return release
}
