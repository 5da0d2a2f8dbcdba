import t from 'tap'
import { NotLeaderError } from '@hamicek/noex-store'
import { sql, startNode, until } from '../../support/cluster.js'
import { testDatabase } from '../../support/postgres.js'

t.test('a second process follows, refuses writes, and takes over when the first one stops', async t => {
  const { connectionString } = await testDatabase(t)
  const first = await startNode(t, connectionString)
  await first.store.bucket('items').insert({ id: 'before' })
  const second = await startNode(t, connectionString)
  t.equal(first.store.durability.state, 'ok')
  t.equal(second.store.durability.state, 'following')
  t.equal(second.store.epoch, first.store.epoch)
  t.match(await second.store.bucket('items').get('before'), { id: 'before' })

  const heard: number[] = []
  second.store.onDurable(({ revision }) => { heard.push(revision) })
  const bucket = first.store.bucket('items')
  await Promise.all(Array.from({ length: 500 }, async (_, i) => await bucket.insert({ id: `i${i}`, n: i })))
  await until('the second one has caught up', () => second.store.revision === first.store.revision)
  t.strictSame(await second.store.takeImage(), await first.store.takeImage())
  const all = Array.from({ length: 500 }, (_, i) => i + first.store.revision - 499)
  t.strictSame(heard, all, 'each once, in order')
  await t.rejects(second.store.bucket('items').insert({ id: 'refused' }), NotLeaderError)
  await t.rejects(second.store.dropBucket('items'), NotLeaderError)

  const { revision } = first.store
  const began = performance.now()
  await first.store.stop()
  await until('the second one leads', () => second.store.durability.state === 'ok')
  const took = performance.now() - began
  t.ok(took < 800, `without waiting for the end of the lease (${Math.round(took)} ms)`)
  t.match(second.notices.map(({ type }) => type), ['following', 'leading'])
  await second.store.bucket('items').insert({ id: 'after' })
  t.equal(second.store.revision, revision + 1)
})

t.test('records that end with their process end when another one takes over', async t => {
  const { connectionString } = await testDatabase(t)
  const first = await startNode(t, connectionString)
  await first.store.defineBucket('here', { key: 'id', schema: { id: { type: 'string' } }, persistent: false })
  await first.store.bucket('here').insert({ id: 'a' })
  const second = await startNode(t, connectionString)
  t.equal(await second.store.bucket('here').count(), 1)
  await first.store.stop()
  await until('the second one leads', () => second.store.durability.state === 'ok')
  t.equal(await second.store.bucket('here').count(), 0)
})

t.test('what a process has declared is in the log as soon as it may write', async t => {
  const { connectionString } = await testDatabase(t)
  const first = await startNode(t, connectionString)
  await first.store.stop()
  const second = await startNode(t, connectionString)
  await second.store.stop()
  const [{ n }] = await sql(connectionString, 'SELECT last_revision::int AS n FROM noex_lease')
  t.equal(n, 1, 'what is there already is not written again')

  const { Store } = await import('@hamicek/noex-store')
  const { PostgresLog } = await import('../../../lib/cluster/postgres-log.js')
  const third = await Store.start()
  await third.defineBucket('more', { key: 'id', schema: { id: { type: 'string' } } })
  third.defineDeclarativeQuery('few', { bucket: 'more', limit: 3 })
  const source = { connectionString, pool: undefined }
  await third.attachLog(new PostgresLog({ source, name: 'test', leaseMs: 1_000 }))
  await third.bucket('more').insert({ id: 'a' })
  await third.stop()
  const fourth = await startNode(t, connectionString)
  t.equal(await fourth.store.bucket('more').count(), 1)
  t.match(await fourth.store.runQuery('few'), [{ id: 'a' }])
})

t.test('a process that cannot reach the database any more loses the lease, and follows', async t => {
  const { connectionString } = await testDatabase(t)
  const first = await startNode(t, connectionString)
  const second = await startNode(t, connectionString)
  await first.store.bucket('items').insert({ id: 'a' })
  // As after a pause that was longer than the lease: the row is of another term, unknown to the first one.
  await sql(connectionString, 'UPDATE noex_lease SET expires_at = $1', [new Date(Date.now() - 86_400_000)])
  await until('one has taken over', () => second.store.durability.state === 'ok')
  await t.rejects(first.store.bucket('items').insert({ id: 'b' }), NotLeaderError)
  await until('the first one follows', () => first.store.durability.state === 'following')
  await second.store.bucket('items').insert({ id: 'c' })
  await until('it has caught up', () => first.store.revision === second.store.revision)
  t.strictSame(await first.store.takeImage(), await second.store.takeImage())
  t.equal(await first.store.bucket('items').get('b'), undefined)
  t.match(first.notices.map(({ type }) => type), ['following'])
})

t.test('a leader that writes nothing learns of its end, too', async t => {
  const { connectionString } = await testDatabase(t)
  const first = await startNode(t, connectionString)
  const second = await startNode(t, connectionString)
  await sql(connectionString, 'UPDATE noex_lease SET expires_at = clock_timestamp()')
  await until('one has taken over', () => second.store.durability.state === 'ok')
  await until('the other one follows', () => first.store.durability.state === 'following')
})

t.test('logs of two names in one database know nothing of each other', async t => {
  const { connectionString } = await testDatabase(t)
  const one = await startNode(t, connectionString, { name: 'one' })
  const two = await startNode(t, connectionString, { name: 'two' })
  await one.store.bucket('items').insert({ id: 'a' })
  await two.store.bucket('items').insert({ id: 'b' })
  t.strictSame((await one.store.bucket('items').all()).map(({ id }) => id), ['a'])
  t.strictSame((await two.store.bucket('items').all()).map(({ id }) => id), ['b'])
})
