import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import {
  isStoreError, MemoryLog, RequestRepeatedError, Store, StoreUnavailableError, type Commit,
  type RequestToRemember, type LogEntry, type StoreOptions, type WriteOptions
} from '../src/index.js'
import { FakeClock, rejection, startStore } from './support/store.js'

const schema = { id: { type: 'string' as const }, n: { type: 'number' as const } }

/** Returns the options of a write whose request has a key, and what its answer was made of. */
function once (key: string, more: Partial<RequestToRemember> & Pick<WriteOptions, 'user'> = {}) {
  const results: unknown[] = []
  const { user, ...others } = more
  const idempotency: RequestToRemember = {
    key,
    request: 'digest',
    windowMs: 60_000,
    answer (result) {
      results.push(result)
      return { text: JSON.stringify(result) ?? 'null', rights: 'all' }
    },
    ...others
  }
  return { results, options: { idempotency, ...(user !== undefined && { user }) } }
}

async function withItems (t: Test, options: StoreOptions = {}): Promise<Store> {
  const store = await startStore(t, options)
  await store.defineBucket('items', { key: 'id', schema })
  await store.bucket('items').insertMany([{ id: 'a', n: 1 }, { id: 'b', n: 1 }])
  return store
}

const writes: Record<string, (store: Store, options: WriteOptions) => Promise<unknown>> = {
  insert: (store, options) => store.bucket('items').insert({ id: 'c' }, options),
  insertMany: (store, options) => store.bucket('items').insertMany([{ id: 'c' }, { id: 'd' }], options),
  'insertMany of nothing': (store, options) => store.bucket('items').insertMany([], options),
  'insertMany in slices': (store, options) =>
    store.bucket('items').insertMany(Array.from({ length: 2_000 }, (_, i) => ({ id: `x${i}` })), options),
  update: (store, options) => store.bucket('items').update('a', { n: 2 }, options),
  'upsert of a new one': (store, options) => store.bucket('items').upsert({ id: 'c', n: 2 }, options),
  'upsert of a known one': (store, options) => store.bucket('items').upsert({ id: 'a', n: 2 }, options),
  updateMany: (store, options) => store.bucket('items').updateMany({ n: 1 }, { n: 2 }, options),
  'updateMany of nothing': (store, options) => store.bucket('items').updateMany({ n: 9 }, { n: 2 }, options),
  delete: (store, options) => store.bucket('items').delete('a', options),
  'delete of nothing': (store, options) => store.bucket('items').delete('z', options),
  deleteMany: (store, options) => store.bucket('items').deleteMany({ n: 1 }, options),
  clear: (store, options) => store.bucket('items').clear(options),
  transaction: (store, options) => store.transaction(async tx => {
    const items = await tx.bucket('items')
    return [await items.get('b'), await items.update('a', { n: 2 })]
  }, options),
  'transaction that reads': (store, options) =>
    store.transaction(async tx => await (await tx.bucket('items')).count(), options)
}

for (const [name, write] of Object.entries(writes)) {
  t.test(`${name} is remembered with its result in its own commit, and is not done twice`, async t => {
    const store = await withItems(t)
    const heard: Commit[] = []
    store.onCommit(commit => { heard.push(commit) })
    const { options, results } = once('k', { user: 'ada' })
    const result = await write(store, options)
    t.same(results, [result])
    t.equal(heard.length, 1)
    const remembered = store.requests.find('k', 'ada')
    const text = JSON.stringify(result) ?? 'null'
    const isKept = text.length <= 65_536
    t.same(remembered, {
      ...heard[0]?.idempotency, revision: heard[0]?.revision, user: 'ada'
    })
    t.match(remembered, { key: 'k', request: 'digest', rights: isKept ? 'all' : undefined })
    t.equal(remembered?.answer, isKept ? text : undefined)
    const image = store.image()
    t.match(await rejection(write(store, options)), { code: /REQUEST_REPEATED|RECORD_EXISTS/ })
    t.same(store.image(), image, 'nothing has changed')
    t.equal(heard.length, 1)
  })
}

t.test('a request that was refused, or has the key of another user, is not remembered', async t => {
  const store = await withItems(t)
  const { options } = once('k', { user: 'ada' })
  await t.rejects(store.bucket('items').insert({ id: 'a' }, options))
  await t.rejects(store.bucket('items').update('a', { n: 2 }, {
    ...options, beforeCommit () { throw new Error('no') }
  }))
  t.equal(store.requests.count, 0)
  await store.bucket('items').update('a', { n: 2 }, options)
  const error = await rejection(store.bucket('items').update('a', { n: 3 }, options))
  t.ok(error instanceof RequestRepeatedError && isStoreError(error))
  t.match(error, { code: 'REQUEST_REPEATED', key: 'k' })
  for (const user of ['bob', '3:ada', undefined, 'a']) {
    await store.bucket('items').update('a', { n: 2 }, once('k', user === undefined ? {} : { user }).options)
  }
  t.equal(store.requests.count, 5)
  t.equal(store.requests.find('k', 'eve'), undefined)
  await store.bucket('items').update('a', { n: 2 }, once('l', { user: 'ada' }).options)
  t.equal(store.requests.shareOf('ada').count, 2)
  t.equal(store.requests.shareOf(undefined).count, 1)
  t.same(store.requests.shareOf('eve'), { count: 0, bytes: 0 })
  const shares = ['ada', 'bob', '3:ada', undefined, 'a'].map(user => store.requests.shareOf(user).bytes)
  t.equal(shares.reduce((sum, bytes) => sum + bytes), store.requests.bytes)
})

t.test('what was done by several commits, or none, is remembered by a commit of its own', async t => {
  const store = await withItems(t)
  const heard: Commit[] = []
  store.onDurable(commit => { heard.push(commit) })
  const { options, results } = once('k', { user: 'ada' })
  await store.rememberRequest({ ...options, note: String }, { done: true })
  t.same(results, [{ done: true }])
  t.match(heard, [{ changes: [], user: 'ada', note: '3', idempotency: { answer: '{"done":true}' } }])
  await t.rejects(store.rememberRequest(options), RequestRepeatedError)
})

t.test('requests are forgotten when their time is over, the oldest first', async t => {
  const clock = new FakeClock()
  const store = await withItems(t, { now: clock.now })
  t.equal(store.requests.msToNext, 0)
  await store.rememberRequest(once('long', { windowMs: 5_000 }).options)
  clock.time += 1_000
  await store.rememberRequest(once('short', { windowMs: 1_000 }).options)
  t.equal(store.requests.msToNext, 4_000)
  t.ok(store.requests.bytes > 0)
  clock.time += 999
  t.ok(store.requests.find('short'))
  clock.time += 1
  t.equal(store.requests.find('short'), undefined)
  t.same(store.image().requests?.map(({ key }) => key), ['long'])
  await store.rememberRequest(once('short').options)
  t.equal(store.requests.count, 2, 'a key may come again then')
  clock.time += 3_000
  t.equal(store.requests.count, 1)
  clock.time += 60_000
  t.equal(store.requests.count, 0)
  t.equal(store.requests.bytes, 0)
})

t.test('the timer of the store forgets, too', async t => {
  const clock = new FakeClock()
  const store = await withItems(t, { now: clock.now, ttlCheckIntervalMs: 1 })
  await store.rememberRequest(once('k').options)
  const { time } = clock
  const isHeld = (): boolean => {
    clock.time = time
    const found = store.requests.find('k') !== undefined
    clock.time = time + 60_000
    return found
  }
  t.ok(isHeld())
  while (isHeld()) await delay(1)
})

t.test('many requests are forgotten in steps', async t => {
  const clock = new FakeClock()
  const store = await startStore(t, { now: clock.now })
  for (let i = 0; i < 2_500; i++) await store.rememberRequest(once(`k${i}`).options)
  clock.time += 60_000
  t.same([1, 2, 3, 4].map(() => store.requests.count), [1_500, 500, 0, 0])
})

t.test('an answer that cannot be kept costs no commit', async t => {
  const errors: unknown[] = []
  const store = await withItems(t, { onListenerError: error => { errors.push(error) } })
  const answers: Array<[string, RequestToRemember['answer']]> = [
    ['throws', () => { throw new Error('none') }],
    ['is none', () => undefined as never],
    ['is long', () => ({ text: 'x'.repeat(65_537) })],
    ['is long in bytes', () => ({ text: 'ž'.repeat(32_769) })],
    ['has long rights', () => ({ text: '1', rights: 'x'.repeat(8_193) })]
  ]
  for (const [key, answer] of answers) {
    await store.bucket('items').update('a', { n: 2 }, once(key, { answer }).options)
    t.strictSame(Object.keys(store.requests.find(key) ?? {}).sort(), ['key', 'request', 'revision', 'until'])
  }
  t.equal(errors.length, answers.length)
  const whole = 'ž'.repeat(32_768)
  await store.rememberRequest(once('whole', { answer: () => ({ text: whole }) }).options)
  t.equal(store.requests.find('whole')?.answer, whole)
  await store.rememberRequest(once('left out', { answer: () => ({ text: undefined, rights: 'r' }) }).options)
  t.match(store.requests.find('left out'), { answer: undefined, rights: 'r' })
  t.equal(errors.length, answers.length)
})

t.test('a request whose commit is taken back is not remembered', async t => {
  class RefusingLog extends MemoryLog {
    refuses = false
    override async append (entries: readonly LogEntry[], previousRevision: number): Promise<void> {
      if (this.refuses) throw new Error('the disk is full')
      await super.append(entries, previousRevision)
    }
  }
  const store = await startStore(t)
  const log = new RefusingLog()
  await store.attachLog(log)
  await store.defineBucket('items', { key: 'id', schema })
  await store.bucket('items').insert({ id: 'a', n: 1 }, once('kept').options)
  log.refuses = true
  const { options } = once('k')
  const writing = store.bucket('items').update('a', { n: 2 }, options)
  await Promise.resolve()
  t.ok(store.requests.find('k'), 'before it is durable')
  await t.rejects(writing, StoreUnavailableError)
  t.equal(store.requests.find('k'), undefined)
  t.ok(store.requests.find('kept'))
  t.equal(store.requests.count, 1)
  log.refuses = false
  while (store.durability.state !== 'ok') await delay(5)
  await store.bucket('items').update('a', { n: 2 }, options)
})

t.test('another store learns of requests by commits, and by an image', async t => {
  const store = await withItems(t)
  const commits: Commit[] = []
  store.onCommit(commit => { commits.push(commit) })
  const other = await startStore(t)
  const log = new MemoryLog()
  await store.bucket('items').update('a', { n: 2 }, once('early', { user: 'ada' }).options)
  await log.append([{ revision: 1, time: 1, changes: [] }], 0)
  await log.truncate(store.image())
  await other.attachLog(log)
  t.same(other.requests.find('early', 'ada'), store.requests.find('early', 'ada'))
  const applied = await startStore(t)
  const definition = { key: 'id', schema }
  applied.apply({ revision: 1, time: 1, changes: [{ type: 'define', bucket: 'items', definition }] })
  applied.apply({ ...commits[0] as Commit, revision: 2, changes: [] })
  t.match(applied.requests.find('early', 'ada'), { request: 'digest', revision: 2 })
  await t.rejects(applied.rememberRequest(once('early', { user: 'ada' }).options), RequestRepeatedError)
})
