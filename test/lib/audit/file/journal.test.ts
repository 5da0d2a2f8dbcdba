import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import {
  appendFileSync, chmodSync, copyFileSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync,
  renameSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { GENESIS, hashOf, parseLine } from '../../../../lib/audit/chain/chain.js'
import {
  hasGoodSignature,
  parseCheckpointLine,
  type Checkpoint
} from '../../../../lib/audit/chain/checkpoint.js'
import { Journal, type JournalOptions } from '../../../../lib/audit/file/journal.js'
import { verifyTrail } from '../../../../lib/audit/file/verify.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'

const entry = (n: number): string => JSON.stringify({ timestamp: n, userId: 'ünïcode', resource: `r${n}` })
const entries = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => entry(from + i))

interface Opened {
  readonly journal: Journal
  readonly made: Checkpoint[]
  readonly warnings: string[]
}

function open (directory: string, options: Partial<JournalOptions> = {}): Opened {
  const made: Checkpoint[] = []
  const warnings: string[] = []
  const journal = new Journal({
    path: join(directory, 'audit.jsonl'),
    maxBytes: 1_000_000,
    maxAgeMs: 1_000_000_000,
    keep: Infinity,
    fsync: true,
    key: undefined,
    checkpointEntries: 1_000,
    ...options
  }, { onCheckpoint (checkpoint) { made.push(checkpoint) }, onWarning (message) { warnings.push(message) } })
  return { journal, made, warnings }
}

/** The segments, in the order of their entries. */
function segments (directory: string): string[] {
  const names = readdirSync(directory).filter(name => name.endsWith('.jsonl'))
  return [
    ...names.filter(name => name !== 'audit.jsonl').sort(),
    ...names.filter(name => name === 'audit.jsonl')
  ].map(name => join(directory, name))
}

/**
 * The numbers of all entries. Fails unless every line is whole and the chain holds from the first to the
 * last.
 */
function follow (t: Test, directory: string, hash = GENESIS): number[] {
  const seqs: number[] = []
  for (const path of segments(directory)) {
    const lines = readFileSync(path, 'utf8').split('\n')
    if (lines.pop() !== '') t.fail(`${path} ends within a line`)
    for (const text of lines) {
      const line = parseLine(text)
      if (line === undefined || line.hash !== hashOf(line.body, hash)) {
        t.fail(`${path}: ${text}`)
        return seqs
      }
      hash = line.hash
      seqs.push(line.seq)
    }
  }
  return seqs
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)

t.test('a line is the entry with its number and hash, for the owner\'s eyes only', async t => {
  const directory = temporaryDirectory(t)
  const { journal } = open(directory)
  journal.append(entries(1, 2))
  journal.close()
  const [first] = readFileSync(join(directory, 'audit.jsonl'), 'utf8').split('\n')
  const parsed = JSON.parse(first as string) as Record<string, unknown>
  t.same(Object.keys(parsed), ['timestamp', 'userId', 'resource', 'seq', 'hash'])
  t.match(parsed, { seq: 1, hash: /^[0-9a-f]{64}$/ })
  for (const name of readdirSync(directory)) {
    t.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name)
  }
})

t.test('the numbers and the chain go on over restarts', async t => {
  const directory = temporaryDirectory(t)
  for (let start = 1; start <= 40; start += 4) {
    const { journal } = open(directory)
    journal.append(entries(start, start + 3))
    journal.close()
  }
  t.same(follow(t, directory), range(1, 40))
})

t.test('rotation loses and splits no line, wherever a batch crosses it', async t => {
  for (const size of [1, 3, 50]) {
    const directory = temporaryDirectory(t)
    const { journal, made } = open(directory, { maxBytes: 1_000 })
    for (let start = 1; start <= 300; start += size) journal.append(entries(start, start + size - 1))
    journal.close()
    const seqs = follow(t, directory)
    t.same(seqs, range(1, seqs.length))
    t.ok(seqs.length >= 300)
    const files = segments(directory)
    t.ok(files.length > 30)
    for (const path of files) t.ok(statSync(path).size <= 1_000, path)
    t.ok(files[0]?.endsWith('audit.0000000000000001.jsonl'))
    t.equal(made.at(-1)?.seq, seqs.length)
    t.ok(made.length >= files.length, 'each closed segment ends with a checkpoint')
  }
})

t.test('a segment that is old is closed before the next entry', async t => {
  const directory = temporaryDirectory(t)
  const { journal } = open(directory, { maxAgeMs: 1 })
  journal.append(entries(1, 2))
  const began = Date.now()
  while (Date.now() < began + 5);
  journal.append(entries(3, 4))
  journal.close()
  t.equal(segments(directory).length, 2)
  t.same(follow(t, directory), range(1, 4))
})

t.test('as many closed segments stay as are to be kept, and the trail goes on behind them', async t => {
  const directory = temporaryDirectory(t)
  const { journal } = open(directory, { maxBytes: 1_000, keep: 2 })
  for (let n = 1; n <= 100; n++) journal.append(entries(n, n))
  journal.close()
  t.equal(segments(directory).length, 3)
  const again = open(directory, { maxBytes: 1_000, keep: 1 })
  for (let n = 101; n <= 120; n++) again.journal.append(entries(n, n))
  again.journal.close()
  t.equal(segments(directory).length, 2)
  const last = open(directory, { keep: 1 })
  last.journal.append(entries(121, 121))
  last.journal.close()
  t.match(
    readFileSync(join(directory, 'audit.jsonl'), 'utf8').trimEnd().split('\n').at(-1),
    /"resource":"r121"/
  )
  t.match(
    await verifyTrail({ files: [join(directory, 'audit.jsonl')] }),
    { ok: true, warnings: [] },
    'the trail says what was removed'
  )
})

t.test('checkpoints state how far the trail goes, signed where there is a key', async t => {
  const directory = temporaryDirectory(t)
  const { privateKey, publicKey } = generateKeyPairSync('ed25519') as {
    privateKey: KeyObject
    publicKey: KeyObject
  }
  const { journal, made } = open(directory, { key: privateKey, checkpointEntries: 10 })
  journal.append(entries(1, 10))
  t.ok(journal.checkpointIsDue)
  journal.checkpoint()
  journal.append(entries(11, 12))
  t.notOk(journal.checkpointIsDue)
  journal.close()
  t.same(made.map(({ seq }) => seq), [0, 10, 12])
  for (const checkpoint of made) t.ok(hasGoodSignature(checkpoint, publicKey))
  const lines = readFileSync(join(directory, 'audit.checkpoints'), 'utf8').trimEnd().split('\n')
  t.same(lines.map(parseCheckpointLine), made)
})

t.test('a last write that a crash has left incomplete is moved aside, wherever it was cut', async t => {
  const whole = temporaryDirectory(t)
  const { journal } = open(whole)
  journal.append(entries(1, 3))
  const content = readFileSync(join(whole, 'audit.jsonl'))
  const lastLine = content.lastIndexOf(10, content.length - 2) + 1
  for (let length = lastLine + 1; length < content.length; length++) {
    const directory = temporaryDirectory(t)
    writeFileSync(join(directory, 'audit.jsonl'), content.subarray(0, length))
    const again = open(directory, { fsync: false }).journal
    if (again.recovered?.bytes !== length - lastLine) {
      t.fail(`cut at ${length}: ${JSON.stringify(again.recovered)}`)
    }
    if (!readFileSync(join(directory, 'audit.torn')).equals(content.subarray(lastLine, length))) {
      t.fail(`cut at ${length}: the torn bytes are not kept`)
    }
    again.append(entries(3, 4))
    again.close()
    t.same(follow(t, directory), [1, 2, 3, 4])
  }
})

t.test('zeros and remains of lines behind the last good one are a torn write too', async t => {
  const directory = temporaryDirectory(t)
  open(directory).journal.append(entries(1, 3))
  appendFileSync(
    join(directory, 'audit.jsonl'),
    Buffer.concat([Buffer.alloc(4_096), Buffer.from('\nrest of a line"}\n')])
  )
  const { journal } = open(directory)
  t.same(journal.recovered, { bytes: 4_096 + 18, lines: 2 })
  journal.append(entries(4, 4))
  journal.close()
  t.same(follow(t, directory), [1, 2, 3, 4])
})

t.test('what no crash explains is refused and left as it is', async t => {
  const changes: ReadonlyArray<readonly [string, RegExp, (path: string) => void]> = [
    [
      'a changed entry before a checkpoint',
      /line 5: the trail is damaged/,
      path => { writeFileSync(path, readFileSync(path, 'utf8').replace('"r5"', '"r6"')) }
    ],
    [
      'entries that are missing at the end',
      /a checkpoint names 20/,
      path => {
        truncateSync(
          path,
          Buffer.byteLength(readFileSync(path, 'utf8').split('\n').slice(0, 10).join('\n')) + 1
        )
      }
    ],
    ['a missing file', /entries are missing/, path => { writeFileSync(path, '') }]
  ]
  for (const [title, message, change] of changes) {
    const directory = temporaryDirectory(t)
    const { journal } = open(directory)
    journal.append(entries(1, 20))
    journal.close()
    const path = join(directory, 'audit.jsonl')
    change(path)
    const before = readFileSync(path)
    t.throws(() => open(directory), message, title)
    t.ok(readFileSync(path).equals(before), title)
    t.notOk(existsSync(join(directory, 'audit.torn')), title)
  }
})

t.test('lines that are whole and do not fit are no crash, though no checkpoint names them yet', async t => {
  const lineOf = (text: string, number: number): string => text.split('\n')[number - 1] as string
  const changes: Record<string, (text: string) => string> = {
    'a changed line': text => text.replace('"r3"', '"R3"'),
    'a removed line': text => text.replace(`${lineOf(text, 5)}\n`, ''),
    'a changed line near the end': text => text.replace('"r18"', '"R18"'),
    'swapped lines': text =>
      text.replace(`${lineOf(text, 19)}\n${lineOf(text, 20)}`, `${lineOf(text, 20)}\n${lineOf(text, 19)}`),
    'a repeated line': text => `${text}${lineOf(text, 20)}\n`,
    'lines of something else': text => `${text}hello\nworld\n`,
    'a blank line': text => text.replace(`${lineOf(text, 7)}\n`, `\n${lineOf(text, 7)}\n`),
    'a file of something else': () => 'hello\nworld\n'
  }
  for (const [title, change] of Object.entries(changes)) {
    const directory = temporaryDirectory(t)
    const path = join(directory, 'audit.jsonl')
    open(directory).journal.append(entries(1, 20))
    writeFileSync(path, change(readFileSync(path, 'utf8')))
    const before = readFileSync(path)
    t.throws(() => open(directory), /damaged/, title)
    t.ok(readFileSync(path).equals(before), `${title}: nothing is touched`)
  }
})

t.test('a segment that is missing between others is refused', async t => {
  const directory = temporaryDirectory(t)
  const { journal } = open(directory, { maxBytes: 1_000 })
  for (let n = 1; n <= 40; n++) journal.append(entries(n, n))
  journal.close()
  rmSync(segments(directory)[1] as string)
  t.throws(() => open(directory, { maxBytes: 1_000 }), /entries 8 to 14 are missing/)
})

t.test('a segment that is removed or replaced while it is written is noticed before anything more is added to it', async t => {
  for (const remove of [
    (path: string) => { rmSync(path) },
    (path: string) => { renameSync(path, `${path}.1`) }
  ]) {
    const directory = temporaryDirectory(t)
    const path = join(directory, 'audit.jsonl')
    const { journal, made } = open(directory)
    journal.append(entries(1, 3))
    remove(path)
    t.throws(() => { journal.append(entries(4, 4)) }, /removed or replaced/)
    journal.append(entries(4, 4))
    journal.close()
    t.match(readFileSync(path, 'utf8'), /"r4"/, 'it goes on in a new file')
    t.match(made[1], { seq: 3 }, 'a checkpoint names what is gone')
    t.match(
      readFileSync(path, 'utf8'),
      /^[^\n]*"operation":"audit.lost"[^\n]*"details":\{"from":1,"to":3\}/,
      'the new file begins with it'
    )
    t.match(
      await verifyTrail({ files: [path] }),
      { ok: false, line: 1, seq: 1, problem: /^entries 1 to 3 are gone: .*audit.lost/ }
    )
  }
})

t.test('what others put in the place of a file of the trail is set aside, and the trail goes on', async t => {
  const replacements: Record<string, (path: string) => void> = {
    'a copy of itself' (path) {
      copyFileSync(path, `${path}.copy`)
      renameSync(`${path}.copy`, path)
    },
    'an edited copy' (path) {
      writeFileSync(`${path}.copy`, readFileSync(path, 'utf8').replace('"r2"', '"R2"'))
      renameSync(`${path}.copy`, path)
    },
    'another file' (path) {
      rmSync(path)
      writeFileSync(path, 'of something else\n')
    },
    'shorter content in the same file' (path) { writeFileSync(path, '{"seq":9}\n') },
    'a directory' (path) {
      rmSync(path)
      mkdirSync(path)
      writeFileSync(join(path, 'file'), 'in it')
    },
    'a link to nothing' (path) {
      rmSync(path)
      symlinkSync(`${path}.nothing`, path)
    },
    'a link to itself' (path) {
      rmSync(path)
      symlinkSync(path, path)
    },
    'a link to where it is now' (path) {
      renameSync(path, `${path}.moved`)
      symlinkSync(`${path}.moved`, path)
    }
  }
  for (const [title, replace] of Object.entries(replacements)) {
    const directory = temporaryDirectory(t)
    const path = join(directory, 'audit.jsonl')
    const { journal } = open(directory)
    for (const from of [1, 5]) {
      journal.append(entries(from, from + 2))
      replace(path)
      const waiting = entries(from + 3, from + 3)
      t.throws(
        () => { journal.append(waiting) },
        /(removed or replaced|cut): lost to the trail: .* new file$/,
        title
      )
      journal.append(waiting)
      t.match(readFileSync(path, 'utf8'), /^[^\n]*"operation":"audit.lost"/, title)
    }
    journal.close()
    if (title !== 'shorter content in the same file') {
      t.ok(lstatSync(`${path}.foreign`), title)
      t.ok(lstatSync(`${path}.foreign.2`), `${title}: the first one stays`)
    }
    open(directory).journal.close()
    t.match(await verifyTrail({ files: [path] }), { ok: false, problem: /are gone: .*audit.lost/ }, title)

    const sidecar = join(directory, 'audit.checkpoints')
    const { journal: next, made, warnings } = open(directory)
    replace(sidecar)
    next.append(entries(20, 20))
    next.checkpoint()
    t.equal(made.length, 1, `${title}, of checkpoints`)
    t.match(warnings, [/has been removed, replaced/], title)
    next.close()
  }
})

t.test('what cannot be set aside is named with what must be done, and then the trail goes on', async t => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'audit.jsonl')
  const { journal } = open(directory)
  journal.append(entries(1, 1))
  rmSync(path)
  writeFileSync(path, 'of something else\n')
  for (let n = 1; n <= 1_000; n++) writeFileSync(`${path}.foreign${n === 1 ? '' : `.${n}`}`, '')
  const waiting = entries(2, 2)
  for (let i = 0; i < 3; i++) {
    const told = /audit\.jsonl is not the trail's and cannot be moved to .*: move it away/
    t.throws(() => { journal.append(waiting) }, told)
  }
  t.equal(readFileSync(path, 'utf8'), 'of something else\n')
  rmSync(path)
  journal.append(waiting)
  journal.close()
  t.match(readFileSync(path, 'utf8'), /"audit.lost"/)
})

t.test('files that others can read become the owner\'s', async t => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'audit.jsonl')
  writeFileSync(path, '')
  chmodSync(path, 0o644)
  open(directory).journal.close()
  t.equal(statSync(path).mode & 0o777, 0o600)
})

t.test('entries without a checkpoint are told', async t => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const directory = temporaryDirectory(t)
  t.equal(open(directory, { key: privateKey }).journal.unsigned, 0, 'an empty trail has none')
  open(directory).journal.append(entries(1, 5))
  rmSync(join(directory, 'audit.checkpoints'))
  const { journal } = open(directory, { key: privateKey })
  t.equal(journal.unsigned, 5)
  journal.close()
  t.equal(open(directory, { key: privateKey }).journal.unsigned, 0)
})

t.test('an interrupted move to a new segment is finished', async t => {
  const directory = temporaryDirectory(t)
  const { journal } = open(directory, { maxBytes: 1_000 })
  for (let n = 1; n <= 40; n++) journal.append(entries(n, n))
  journal.close()
  const [first = '', second = ''] = segments(directory)
  t.ok(second)
  // After a failed sync the lines go to a new segment; a crash can leave them in the old one as well.
  const repeated = readFileSync(join(directory, 'audit.jsonl'))
  const last = segments(directory).at(-2) as string
  appendFileSync(last, repeated.subarray(0, repeated.indexOf(10) + 1))
  const again = open(directory, { maxBytes: 1_000 })
  again.journal.append(entries(41, 41))
  again.journal.close()
  t.same(follow(t, directory), range(1, 41))
  t.ok(existsSync(first))
})
