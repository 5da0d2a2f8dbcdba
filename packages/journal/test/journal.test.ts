import {
  appendFileSync, copyFileSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync,
  rmSync, statSync, symlinkSync, truncateSync, writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { crc32InJs } from '../src/crc-format.js'
import { crcFormat, DurableFile, LineSplitter, textOfCrcLine } from '../src/index.js'
import { smallDisk, temporaryDirectory } from './support/directory.js'
import { entries, entry, format, openLog, readLog } from './support/log.js'

t.test('numbers go on over restarts, and each line says what was durable before it', t => {
  const directory = temporaryDirectory(t)
  for (let n = 1; n <= 30; n += 3) {
    const { journal } = openLog(directory)
    journal.append(entries(n, n + 2))
    journal.close()
  }
  const lines = readFileSync(join(directory, 'store.log'), 'utf8').split('\n').slice(0, -1)
  t.same(lines.map(line => line.split(' ').slice(1, 3).map(Number)), lines.map((_, i) => [i + 1, i - i % 3]))
  t.same(lines.map(textOfCrcLine), entries(1, 30))
  t.equal(statSync(join(directory, 'store.log')).mode & 0o777, 0o600)
  t.end()
})

t.test('the CRC is that of zlib, computed by it or not', t => {
  const [line] = [format.seal('', format.start, format.start).line]
  t.equal(crc32InJs('123456789'), 0xcbf43926, 'the check value of CRC-32')
  t.equal(crc32InJs('příliš žluťoučký'), parseInt(crcOf('příliš žluťoučký'), 16))
  t.equal(line, `${crc32InJs('1 0 ').toString(16).padStart(8, '0')} 1 0 `)
  t.end()

  function crcOf (text: string): string {
    const body = `1 0 ${text}`
    const [crc = ''] = format.seal(text, format.start, format.start).line.split(' ')
    t.equal(parseInt(crc, 16), crc32InJs(body))
    return crc32InJs(text).toString(16)
  }
})

t.test('a segment is closed before it becomes too long, and a line that is longer has one of its own', t => {
  const directory = temporaryDirectory(t)
  const { journal } = openLog(directory, { maxBytes: 1_000 })
  const all = [...entries(1, 50), JSON.stringify('x'.repeat(3_000)), ...entries(52, 80)]
  journal.append([...all])
  journal.close()
  const names = readdirSync(directory).filter(name => name.endsWith('.log'))
  const long = names.filter(name => statSync(join(directory, name)).size > 1_000)
  t.equal(long.length, 1)
  t.equal(readFileSync(join(directory, long[0] as string), 'utf8').split('\n').length, 2)
  t.same(readLog(directory).texts, all)
  t.end()
})

t.test('a line longer than a write is written in parts, and is torn wherever it was cut', t => {
  const directory = temporaryDirectory(t)
  const { journal } = openLog(directory)
  const big = JSON.stringify('0123456789'.repeat(1_000_000))
  journal.append([entry(1), big, entry(3)])
  const bytes = journal.segmentBytes
  journal.close()
  t.same(readLog(directory).texts, [entry(1), big, entry(3)])
  for (const length of [100, 4_194_304, 4_200_000, 9_999_000]) {
    const torn = temporaryDirectory(t)
    copyFileSync(join(directory, 'store.log'), join(torn, 'store.log'))
    truncateSync(join(torn, 'store.log'), length)
    const { texts, recovered } = readLog(torn)
    t.same(texts, [entry(1)], `cut at ${length} of ${bytes}`)
    t.equal(recovered.torn?.lines, 0)
  }
  const other = openLog(temporaryDirectory(t)).journal
  t.throws(() => { other.append(['x'.repeat(20_000_000)]) }, /too long for the log/)
  t.end()
})

t.test('segments behind which a reader may begin are removed', t => {
  const directory = temporaryDirectory(t)
  const { journal } = openLog(directory, { maxBytes: 500 })
  journal.append(entries(1, 60))
  const closed = (): string[] => readdirSync(directory).filter(name => /\d\.log$/.test(name)).sort()
  const before = closed()
  t.ok(before.length > 4)
  journal.pruneBelow(1)
  t.same(closed(), before, 'none is below')
  const third = Number(/\d+/.exec(before[2] as string)?.[0])
  journal.pruneBelow(third - 1)
  t.same(closed(), before.slice(1), 'the second one still has the last line')
  journal.pruneBelow(third)
  t.same(closed(), before.slice(2))
  journal.pruneBelow(1_000)
  t.same(closed(), [], 'the current segment stays')
  journal.append(entries(61, 62))
  journal.close()
  const { recovered, texts } = readLog(directory, 61)
  t.same(texts, entries(61, 62))
  t.ok(recovered.oldest > 50)
  t.end()
})

t.test('what others do to the current segment stops a journal that may miss nothing', t => {
  const changes: Record<string, (path: string) => void> = {
    'it is removed' (path) { rmSync(path) },
    'it is renamed' (path) { renameSync(path, `${path}.1`) },
    'it is replaced by a copy' (path) {
      copyFileSync(path, `${path}.1`)
      renameSync(`${path}.1`, path)
    },
    'it is a directory now' (path) {
      rmSync(path)
      mkdirSync(path)
    },
    'it is a link now' (path) {
      renameSync(path, `${path}.1`)
      symlinkSync(`${path}.1`, path)
    },
    'it is cut' (path) { truncateSync(path, 30) }
  }
  for (const [title, change] of Object.entries(changes)) {
    const directory = temporaryDirectory(t)
    const path = join(directory, 'store.log')
    const { journal } = openLog(directory)
    journal.append(entries(1, 3))
    change(path)
    const told =
      /(removed or replaced|cut): lost to the log: .*nothing more is written: stop the service, and bring/
    t.throws(() => { journal.append([entry(4)]) }, told, title)
    for (let i = 0; i < 2; i++) t.throws(() => { journal.append([entry(4)]) }, told, title)
    t.throws(() => { journal.close() }, told, title)
  }
  t.end()
})

t.test('bytes that others add are moved aside, and the journal goes on', t => {
  const directory = temporaryDirectory(t)
  const { journal } = openLog(directory)
  journal.append(entries(1, 3))
  appendFileSync(join(directory, 'store.log'), 'of something else')
  t.ok(journal.isForeign)
  t.throws(() => { journal.append([entry(4)]) }, /17 bytes that are not of this log/)
  journal.append([entry(4)])
  journal.close()
  t.same(readLog(directory).texts, entries(1, 4))
  t.equal(readFileSync(join(directory, 'store.torn'), 'utf8'), 'of something else')
  t.end()
})

t.test('a failed write leaves nothing, and what was durable stays', t => {
  const disk = smallDisk(t)
  if (disk === undefined) {
    t.end()
    return
  }
  const { journal } = openLog(disk.directory)
  journal.append(entries(1, 3))
  disk.fill()
  const waiting = [entry(4), JSON.stringify('x'.repeat(100_000)), entry(6)]
  t.throws(() => { journal.append(waiting) }, { code: 'ENOSPC' })
  t.ok(waiting.length > 0)
  t.throws(() => { journal.probe(65_536) }, { code: 'ENOSPC' })
  journal.discard()
  t.same(statSync(join(disk.directory, 'store.log')).size, journal.segmentBytes)
  disk.free()
  journal.probe(65_536)
  t.same(statSync(join(disk.directory, 'store.log')).size, journal.segmentBytes, 'a probe leaves nothing')
  journal.append(waiting)
  journal.close()
  t.equal(readLog(disk.directory).texts.length, 6)
  t.end()
})

t.test('a write of nothing without an error is an error', t => {
  const file = new DurableFile(join(temporaryDirectory(t), 'file'), false)
  file.append(Buffer.alloc(0))
  t.equal(file.size, 0, 'unless nothing was to be written')
  file.close()
  t.throws(() => { file.append(Buffer.from('a')) }, { code: 'EBADF' })
  t.end()
})

t.test('a pipe, a directory or a link is no file of a journal', t => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'file')
  mkdirSync(path)
  t.throws(() => new DurableFile(path, true))
  rmSync(path, { recursive: true })
  writeFileSync(`${path}.1`, '')
  symlinkSync(`${path}.1`, path)
  t.throws(() => new DurableFile(path, true), { code: 'ELOOP' })
  t.ok(lstatSync(path).isSymbolicLink())
  t.notOk(existsSync(join(directory, 'store.log')))
  t.end()
})

t.test('a splitter holds no more than the longest line', t => {
  const splitter = new LineSplitter(4)
  const bytes = (chunk: string): Array<string | undefined> =>
    splitter.push(Buffer.from(chunk)).map(line => line.bytes?.toString())
  t.same(bytes('ab'), [])
  t.same(bytes('cd\nefghi'), ['abcd'])
  t.equal(splitter.pendingBytes, 5)
  t.same(bytes('j\n\nk'), [undefined, ''])
  t.same(splitter.end().map(({ bytes, ended }) => [bytes?.toString(), ended]), [['k', false]])
  t.same(crcFormat(4).maxLineBytes, 4)
  t.end()
})

t.test('a group that must be whole leaves none of its lines when one of its writes fails', t => {
  const disk = smallDisk(t)
  if (disk === undefined) {
    t.end()
    return
  }
  const { journal } = openLog(disk.directory, { wholeGroups: true })
  journal.append(entries(1, 3))
  const size = journal.segmentBytes
  // More than a write, of which the last part has no room.
  const waiting = [...entries(4, 6), 'x'.repeat(100_000), 'y'.repeat(4_194_304), entry(9)]
  t.throws(() => { journal.append(waiting) }, { code: 'ENOSPC' })
  t.equal(waiting.length, 6)
  t.equal(journal.segmentBytes, size)
  t.equal(statSync(join(disk.directory, 'store.log')).size, size)
  journal.append([entry(4)])
  journal.close()
  t.same(readLog(disk.directory).texts, entries(1, 4))
  t.end()
})
