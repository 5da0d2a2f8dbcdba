import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import {
  appendFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { hasGoodSignature, parseCheckpointLine } from '../../../../lib/audit/chain/checkpoint.js'
import { verifyTrail } from '../../../../lib/audit/file/verify.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'
import { entries, follow, open, range, segments } from '../../../support/audit-journal.js'

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

t.test('damage that no crash explains is refused and left as it is', async t => {
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
