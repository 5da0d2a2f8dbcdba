import type { Test } from 'tap'
import {
  Store, type BucketDefinition, type ChangeLog, type LogEntry, type StoreImage
} from '@hamicek/noex-store'

/** A place where a log is kept, which each call of `open` opens again, as another process would. */
export interface LogPlace {
  /** Makes the log; the one before is closed by then. */
  readonly make: () => ChangeLog
}

const entryOf = (revision: number, text = `k${revision}`): LogEntry => ({
  revision,
  time: 1_700_000_000_000 + revision,
  changes: [{
    type: 'insert',
    bucket: 'users',
    key: `k${revision}`,
    before: undefined,
    after: { id: text, _version: 1, _createdAt: 1, _updatedAt: 1 }
  }],
  user: 'alice',
  counters: { users: revision }
})

const entriesOf = (from: number, to: number): LogEntry[] =>
  Array.from({ length: to - from + 1 }, (_, i) => entryOf(from + i))

/** Reads the rest of a log; the term of the writer, which not every log has, is left out. */
async function collect (log: ChangeLog, from: number): Promise<LogEntry[]> {
  const found: LogEntry[] = []
  for await (const entry of log.tail(from)) found.push(withoutTerm(entry))
  return found
}

const isRefused = { name: /^Log(Refused|Ahead)Error$/ }

const withoutTerm = ({ term: _term, ...entry }: LogEntry): LogEntry => entry

const imageAt = (revision: number): StoreImage => ({
  revision,
  buckets: [{
    name: 'users',
    definition: { key: 'id', schema: { id: { type: 'string' } } },
    counter: 7,
    floor: 1,
    deleted: [['gone', 3, 0]],
    records: Array.from({ length: 120 }, (_, i) =>
      ({ id: `r${i}`, at: new Date(i), _version: 1, _createdAt: 1, _updatedAt: 1 }))
  }],
  queries: [['all', { bucket: 'users' }]],
  requests: []
})

const users: BucketDefinition = {
  key: 'id',
  schema: { id: { type: 'string', required: true }, n: { type: 'number' }, at: { type: 'date' } },
  indexes: ['n']
}

/** Tests what every log of commits promises; `place` returns an empty one. */
export function testChangeLog (t: Test, kind: string, place: (t: Test) => Promise<LogPlace>): void {
  const open = async (t: Test, { make }: LogPlace): Promise<ChangeLog> => {
    const log = make()
    t.teardown(async () => { await log.close().catch(() => {}) })
    return log
  }

  t.test(`a log in ${kind}`, async t => {
    t.test('takes entries that follow, all or none', async t => {
      const log = await open(t, await place(t))
      t.match(await log.open(), { snapshot: undefined, tail: [], isFollowed: undefined })
      await log.append([], 0)
      await log.append(entriesOf(1, 3), 0)
      await log.append([], 3)
      await t.rejects(log.append(entriesOf(3, 5), 2), isRefused)
      await t.rejects(log.append(entriesOf(5, 6), 4), isRefused)
      await t.rejects(log.append([entryOf(4), entryOf(6)], 3), isRefused)
      await log.append(entriesOf(4, 5), 3)
      t.strictSame(await collect(log, 0), entriesOf(1, 5))
      t.strictSame(await collect(log, 3), entriesOf(4, 5))
      t.strictSame(await collect(log, 4), entriesOf(5, 5), 'from within a group, too')
      t.strictSame(await collect(log, 5), [])
    })

    t.test('takes one of two groups for the same place', async t => {
      const log = await open(t, await place(t))
      await log.open()
      await log.append([entryOf(1)], 0)
      const outcomes = await Promise.allSettled([
        log.append([entryOf(2, 'first')], 1), log.append([entryOf(2, 'second')], 1)
      ])
      t.strictSame(outcomes.map(({ status }) => status), ['fulfilled', 'rejected'])
      t.strictSame(await collect(log, 1), [entryOf(2, 'first')])
    })

    t.test('may begin at any revision', async t => {
      const at = await place(t)
      const log = await open(t, at)
      await log.open()
      await log.append([entryOf(41)], 0)
      await log.append([entryOf(42)], 41)
      await log.close()
      const { tail } = await (await open(t, at)).open()
      t.strictSame(tail.map(({ revision }) => revision), [41, 42])
    })

    t.test('is the same after it was closed, and closed twice', async t => {
      const at = await place(t)
      const log = await open(t, at)
      const { epoch } = await log.open()
      await log.append(entriesOf(1, 4), 0)
      await log.close()
      await log.close()
      const again = await open(t, at)
      const opened = await again.open()
      t.equal(opened.epoch, epoch)
      t.strictSame(opened.tail.map(withoutTerm), entriesOf(1, 4))
      t.notOk(opened.isFollowed)
      await again.append([entryOf(5)], 4)
      t.strictSame(await collect(again, 3), entriesOf(4, 5))
    })

    t.test('gives back values that JSON does not have, and every text', async t => {
      const at = await place(t)
      const log = await open(t, at)
      await log.open()
      const after = {
        id: 'a',
        at: new Date(5),
        big: 5n,
        set: new Set([1]),
        none: undefined,
        text: 'a\nb\r\u2028\u0000\ud800"\\ 🎈 {"$noex":1}',
        _version: 1,
        _createdAt: 1,
        _updatedAt: 1
      }
      const entry: LogEntry = {
        revision: 1,
        time: 1,
        changes: [{ type: 'insert', bucket: 'b', key: 'a', before: undefined, after }],
        note: 'a note\nof two lines',
        idempotency: { key: 'k', request: 'r', until: 9, answer: '{}' }
      }
      await log.append([entry], 0)
      await log.close()
      const { tail } = await (await open(t, at)).open()
      t.strictSame(tail.map(withoutTerm), [entry])
    })

    t.test('takes big groups and big entries', async t => {
      const at = await place(t)
      const log = await open(t, at)
      await log.open()
      await log.append(entriesOf(1, 5_000), 0)
      const text = 'ž'.repeat(3_000_000)
      for (let i = 1; i <= 3; i++) await log.append([entryOf(5_000 + i, text)], 5_000 + i - 1)
      const revisions = (await collect(log, 4_998)).map(({ revision }) => revision)
      t.strictSame(revisions, [4_999, 5_000, 5_001, 5_002, 5_003])
      await log.close()
      const { tail } = await (await open(t, at)).open()
      t.equal(tail.length, 5_003)
      t.equal(tail.at(-1)?.changes.length, 1)
      t.strictSame(withoutTerm(tail.at(-1) as LogEntry), entryOf(5_003, text))
    })

    t.test('gives the snapshot, and what follows it', async t => {
      const at = await place(t)
      const log = await open(t, at)
      await log.open()
      await log.append(entriesOf(1, 3), 0)
      for (const [first, last] of [[4, 6], [7, 9], [10, 12]] as const) {
        await log.truncate(imageAt(first - 1))
        await log.append(entriesOf(first, last), first - 1)
        t.strictSame(await collect(log, first - 1), entriesOf(first, last))
      }
      await log.truncate(imageAt(9))
      await log.close()
      const again = await open(t, at)
      const { snapshot, tail } = await again.open()
      t.strictSame(snapshot, imageAt(9))
      t.strictSame(tail.map(withoutTerm), entriesOf(10, 12))
      await again.append([entryOf(13)], 12)
      t.strictSame(await collect(again, 11), entriesOf(12, 13))
    })

    t.test('makes a store what it was', async t => {
      const at = await place(t)
      const first = await Store.start({ ttlCheckIntervalMs: 0 })
      await first.attachLog(at.make())
      await first.defineBucket('users', users)
      const bucket = first.bucket('users')
      await Promise.all(Array.from({ length: 300 }, async (_, i) => {
        await bucket.insert({ id: `u${i}`, n: i, at: new Date(i) })
        if (i % 3 === 0) await bucket.update(`u${i}`, { n: -i })
        if (i % 7 === 0) await bucket.delete(`u${i}`)
      }))
      first.defineDeclarativeQuery('few', { bucket: 'users', limit: 3 })
      await first.whenDurable()
      const before = await first.takeImage()
      const { epoch } = first
      await first.stop()
      const second = await Store.start({ ttlCheckIntervalMs: 0 })
      t.teardown(async () => { await second.stop() })
      await second.attachLog(at.make())
      t.strictSame(await second.takeImage(), before)
      t.equal(second.epoch, epoch)
      await second.defineBucket('users', users)
      await second.bucket('users').insert({ id: 'more' })
      t.equal(second.revision, before.revision + 1)
    })
  })
}
