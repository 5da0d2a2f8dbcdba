import {
  appendFileSync, copyFileSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync,
  truncateSync, writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Watermark } from '../src/index.js'
import { temporaryDirectory } from './support/directory.js'
import { entries, entry, openLog, readLog } from './support/log.js'

/** Writes a log of groups; returns its path and the bytes at which each group ends. */
function writeGroups (directory: string, groups: readonly number[]): { path: string, ends: number[] } {
  const { journal } = openLog(directory)
  const ends: number[] = []
  let n = 1
  for (const size of groups) {
    journal.append(entries(n, n + size - 1))
    n += size
    ends.push(journal.segmentBytes)
  }
  journal.close()
  return { path: join(directory, 'store.log'), ends }
}

/** Runs with copies of a directory, one after the other. */
function inCopies (t: Test, directory: string): () => string {
  const folder = temporaryDirectory(t)
  return () => {
    const copy = mkdtempSync(join(folder, 'copy-'))
    cpSync(directory, copy, { recursive: true })
    return copy
  }
}

t.test('a last group that was cut anywhere keeps its good lines; the rest is moved aside and reported', t => {
  const directory = temporaryDirectory(t)
  const { path, ends } = writeGroups(directory, [3, 2, 5])
  const content = readFileSync(path)
  const copy = inCopies(t, directory)
  for (let length = ends[1] as number; length < content.length; length++) {
    const cut = copy()
    truncateSync(join(cut, 'store.log'), length)
    const whole = content.subarray(0, length).filter(byte => byte === 10).length
    const good = content.subarray(0, length).lastIndexOf(10) + 1
    const { journal, recovered, texts } = openLog(cut)
    const torn = length - good
    const isRight = texts.length === whole && recovered.head.revision === whole &&
      (recovered.torn?.bytes ?? 0) === torn
    if (!isRight) t.fail(`cut at ${length}: ${texts.length} lines, ${JSON.stringify(recovered.torn)}`)
    if (torn > 0 && !readFileSync(join(cut, 'store.torn')).equals(content.subarray(good, length))) {
      t.fail(`cut at ${length}: the torn bytes are not kept`)
    }
    journal.append([entry(99)])
    journal.close()
    if (readLog(cut).texts.at(-1) !== entry(99)) t.fail(`cut at ${length}: it does not go on`)
  }
  t.end()
})

t.test('pages of the last group that never reached the disk are torn, no matter what is behind them', t => {
  const directory = temporaryDirectory(t)
  const { path, ends } = writeGroups(directory, [40, 60])
  const content = readFileSync(path)
  const begin = ends[0] as number
  const copy = inCopies(t, directory)
  for (let at = begin; at < content.length; at += 37) {
    const torn = copy()
    const changed = Buffer.from(content)
    changed.fill(0, at, Math.min(at + 512, content.length))
    writeFileSync(join(torn, 'store.log'), changed)
    const { texts, recovered } = readLog(torn)
    t.ok(texts.length >= 40 && texts.length < 100, `a hole at ${at}`)
    t.equal(recovered.torn?.bytes, content.length - content.lastIndexOf(10, at - 1) - 1)
  }
  t.end()
})

t.test('noise behind the last line is torn', t => {
  const directory = temporaryDirectory(t)
  writeGroups(directory, [3])
  const noises: Record<string, Buffer> = {
    zeros: Buffer.alloc(70_000),
    'a beginning of a line': Buffer.from('0000'),
    'lines of something else': Buffer.from('hello\nworld\n'),
    'no text': Buffer.from([0xff, 0xfe, 10, 0xc3, 10]),
    'a broken line': Buffer.from('00000000 4 3 {}\n')
  }
  const copy = inCopies(t, directory)
  for (const [title, noise] of Object.entries(noises)) {
    const noisy = copy()
    appendFileSync(join(noisy, 'store.log'), noise)
    const { texts, recovered } = readLog(noisy)
    t.same(texts, entries(1, 3), title)
    t.equal(recovered.torn?.bytes, noise.length, title)
    t.ok(readFileSync(join(noisy, 'store.torn')).equals(noise), title)
  }
  t.end()
})

t.test('a changed byte anywhere before the last group is refused, and nothing is touched', t => {
  const directory = temporaryDirectory(t)
  const { path, ends } = writeGroups(directory, [3, 4, 3])
  const content = readFileSync(path)
  const copy = inCopies(t, directory)
  for (let at = 0; at < content.length; at++) {
    for (const value of [0, 10, (content[at] as number) ^ 1]) {
      if (value === content[at]) continue
      const changed = Buffer.from(content)
      changed[at] = value
      const damaged = copy()
      writeFileSync(join(damaged, 'store.log'), changed)
      let outcome: string
      try {
        const { texts, recovered } = readLog(damaged)
        const told = recovered.torn === undefined ? 'in silence' : 'and told'
        outcome = texts.length === 10 ? 'all' : `torn ${told}`
      } catch (error) {
        const { message } = error as Error
        outcome = /damaged there, and no crash explains/.test(message) ? 'refused' : message
        if (!readFileSync(join(damaged, 'store.log')).equals(changed)) outcome = 'refused and changed'
        if (existsSync(join(damaged, 'store.torn'))) outcome = 'refused and moved'
      }
      const expected = at < (ends[1] as number) ? ['refused'] : ['refused', 'torn and told']
      if (!expected.includes(outcome)) t.fail(`byte ${at} as ${value}: ${outcome}`)
      rmSync(damaged, { recursive: true })
    }
  }
  t.end()
})

t.test('lines that are whole and do not follow are refused', t => {
  const directory = temporaryDirectory(t)
  const { path } = writeGroups(directory, [5, 5])
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  const changes: Record<string, string[]> = {
    'a repeated line at the end': [...lines, lines[9] as string],
    'a removed line': lines.filter((_, i) => i !== 6),
    'swapped lines': [...lines.slice(0, 8), lines[9] as string, lines[8] as string],
    'a beginning that is missing in the middle': [...lines.slice(0, 3), ...lines.slice(5)]
  }
  const copy = inCopies(t, directory)
  for (const [title, changed] of Object.entries(changes)) {
    const damaged = copy()
    writeFileSync(join(damaged, 'store.log'), changed.map(line => `${line}\n`).join(''))
    t.throws(() => readLog(damaged), /damaged there/, title)
  }
  t.end()
})

function writeSegments (directory: string): string[] {
  const { journal } = openLog(directory, { maxBytes: 400 })
  for (let n = 1; n <= 60; n++) journal.append([entry(n)])
  journal.close()
  return readdirSync(directory).filter(name => /^store\.\d+\.log$/.test(name)).sort()
}

t.test('segments are read from the one that has the first line wanted', t => {
  const directory = temporaryDirectory(t)
  const closed = writeSegments(directory)
  t.ok(closed.length > 4)
  for (const from of [1, 2, 25, 60, 61]) {
    const { texts, recovered } = readLog(directory, from)
    t.same(texts, entries(from, 60), `from ${from}`)
    t.match(recovered, { head: { revision: 60 }, oldest: 1 })
  }
  t.end()
})

t.test('a missing, renamed or shortened segment is refused', t => {
  const directory = temporaryDirectory(t)
  const closed = writeSegments(directory)
  const copy = inCopies(t, directory)
  for (const [i, name] of closed.entries()) {
    // Without the first one, the log begins later: its reader knows whether that is enough.
    const without = copy()
    rmSync(join(without, name))
    if (i > 0) t.throws(() => readLog(without), /lines \d+ to \d+ are missing/, name)
    else t.ok(readLog(without).recovered.oldest > 1)
    const renamed = copy()
    copyFileSync(join(renamed, name), join(renamed, 'store.0000000000000099.log'))
    t.throws(() => readLog(renamed), /lines .* are missing|not with that of its name|damaged/, name)
    for (const bytes of [1, 40]) {
      const cut = copy()
      truncateSync(join(cut, name), statSync(join(cut, name)).size - bytes)
      t.throws(() => readLog(cut), /damaged|lines .* are missing/, `${name} cut by ${bytes}`)
    }
  }
  t.end()
})

t.test('lines behind a failed sync, which the next segment begins with anew, are superseded', t => {
  const directory = temporaryDirectory(t)
  const closed = writeSegments(directory)
  const last = join(directory, closed.at(-1) as string)
  const current = readFileSync(join(directory, 'store.log'))
  const copy = inCopies(t, directory)
  // Other commits with the same numbers: those before were refused and taken back.
  const elsewhere = temporaryDirectory(t)
  const first = readLog(directory).recovered.first as number
  const other = openLog(elsewhere).journal
  other.append([...entries(1, first - 1), ...entries(101, 103)])
  other.close()
  const refused = readFileSync(join(elsewhere, 'store.log'), 'utf8').split('\n').slice(first - 1).join('\n')
  const tails: Record<string, Buffer> = {
    'the same lines': current.subarray(0, current.indexOf(10) + 1),
    'a part of them': current.subarray(0, 11),
    'other lines, which were refused': Buffer.from(refused)
  }
  for (const [title, tail] of Object.entries(tails)) {
    const repeated = copy()
    appendFileSync(join(repeated, closed.at(-1) as string), tail)
    const { texts, recovered } = readLog(repeated)
    t.same(texts, entries(1, 60), title)
    t.equal(recovered.torn?.bytes, tail.length, title)
    t.equal(statSync(join(repeated, closed.at(-1) as string)).size, statSync(last).size, title)
  }
  t.end()
})

t.test('a crash between two segments is no damage', t => {
  const directory = temporaryDirectory(t)
  const { path } = writeGroups(directory, [5])
  copyFileSync(path, join(directory, 'store.0000000000000001.log'))
  rmSync(path)
  t.same(readLog(directory).texts, entries(1, 5), 'the next one is not there yet')
  writeFileSync(path, '')
  const { journal } = openLog(directory)
  journal.append(entries(6, 7))
  journal.close()
  t.same(readLog(directory).texts, entries(1, 7), 'or has no line')
  t.end()
})

t.test('a second crash while the first one is repaired changes nothing', t => {
  const directory = temporaryDirectory(t)
  writeGroups(directory, [5])
  appendFileSync(join(directory, 'store.log'), 'half of a li')
  // The tail was kept, and not cut off yet.
  writeFileSync(join(directory, 'store.torn'), 'half of a li')
  t.same(readLog(directory).texts, entries(1, 5))
  t.same(readLog(directory).recovered.torn, undefined)
  t.end()
})

t.test('a watermark tells how far a log went, and a broken one nothing', t => {
  const path = join(temporaryDirectory(t), 'store.mark')
  t.equal(Watermark.read(path), 0, 'there is none')
  const mark = new Watermark(path)
  for (const number of [1, 99, 12_345_678_901]) {
    mark.write(number)
    t.equal(Watermark.read(path), number)
  }
  mark.close()
  mark.write(3)
  t.equal(Watermark.read(path), 12_345_678_901, 'a failure is passed over')
  const content = readFileSync(path)
  for (let at = 0; at < content.length; at++) {
    const changed = Buffer.from(content)
    changed[at] = (changed[at] as number) ^ 1
    writeFileSync(path, changed)
    t.equal(Watermark.read(path), 0, `byte ${at}`)
  }
  t.end()
})
