import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startNodeProcess, type NodeProcess } from '../../support/cluster-processes.js'
import { sql, until } from '../../support/cluster.js'
import { testDatabase } from '../../support/postgres.js'

const LEASE_MS = 2_000
const ROUNDS = Number(process.env['KILLS'] ?? 4)

const isLeading = async (node: NodeProcess): Promise<boolean> => await node.status() === 'ok'

t.test('a leader that is killed under load', async t => {
  const { connectionString } = await testDatabase(t)
  let leader = await startNodeProcess(t, connectionString, LEASE_MS)
  /** Orders whose insert was answered, by their number. */
  const answered = new Map<number, string>()
  const gaps: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const standby = await startNodeProcess(t, connectionString, LEASE_MS)
    t.equal(await standby.status(), 'standby')
    const clients = await Promise.all(Array.from({ length: 8 }, async () => await leader.logIn()))
    const writing = clients.map(async (client, i) => {
      for (let n = 0; ; n++) {
        const tag = `${round}-${i}-${n}`
        const { id } = await client.ask('store.insert', { bucket: 'orders', data: { tag } })
        if (answered.has(id)) t.fail(`number ${String(id)} is given twice`)
        answered.set(id, tag)
      }
    })
    const over = Promise.allSettled(writing)
    const before = answered.size
    await until('writes are answered', () => answered.size > before + 200)
    await leader.kill()
    const killed = performance.now()
    await until('the standby leads', async () => await isLeading(standby))
    gaps.push(performance.now() - killed)
    await over
    leader = standby
  }
  const reader = await leader.logIn()
  const { orders } = { orders: await reader.ask('store.all', { bucket: 'orders' }) }
  const found = new Map((orders as Array<{ id: number, tag: string }>).map(({ id, tag }) => [id, tag]))
  t.strictSame([...answered].filter(([id, tag]) => found.get(id) !== tag), [], 'no answered write is lost')
  gaps.sort((a, b) => a - b)
  const [median, worst] = [gaps[gaps.length >> 1], gaps.at(-1)].map(gap => Math.round(gap as number))
  t.comment(`${answered.size} writes answered, ${ROUNDS} kills; the standby leads after ` +
    `${median} ms (median), ${worst} ms (longest)`)
  t.ok(worst !== undefined && worst < LEASE_MS, 'long before the end of the lease')
  t.equal(await leader.status(), 'ok')
})

t.test('a leader that sleeps for longer than its lease commits nothing any more', async t => {
  const { connectionString } = await testDatabase(t)
  const first = await startNodeProcess(t, connectionString, LEASE_MS)
  const second = await startNodeProcess(t, connectionString, LEASE_MS)
  const client = await first.logIn()
  const insert = async (tag: string): Promise<string> =>
    await client.ask('store.insert', { bucket: 'orders', data: { tag } })
      .then(() => 'done', (error: unknown) => String(error))
  t.equal(await insert('before'), 'done')

  // The lease has just been renewed.
  first.child.kill('SIGSTOP')
  const stopped = performance.now()
  const writes = Array.from({ length: 20 }, (_, i) => insert(`asleep-${i}`))
  await until('the second one leads', async () => await isLeading(second))
  const took = performance.now() - stopped
  t.comment(`the second one leads after ${Math.round(took)} ms, with a lease of ${LEASE_MS} ms`)
  t.ok(took < LEASE_MS + 500)
  const other = await second.logIn()
  await other.ask('store.insert', { bucket: 'orders', data: { tag: 'meanwhile' } })

  first.child.kill('SIGCONT')
  const outcomes = await Promise.all(writes)
  t.strictSame(outcomes.filter(outcome => outcome === 'done'), [], 'none is acknowledged')
  t.match(outcomes[0], /takes no writes/)
  await until('the first one follows', async () => await first.status() === 'standby')
  const tags = async (of: typeof client): Promise<string[]> =>
    (await of.ask('store.all', { bucket: 'orders' }) as Array<{ tag: string }>).map(({ tag }) => tag)
  await until('it has caught up', async () => (await tags(client)).length === 2)
  t.strictSame(await tags(client), ['before', 'meanwhile'])
  t.strictSame(await tags(other), ['before', 'meanwhile'])
  const [{ n }] = await sql(connectionString, 'SELECT count(*)::int AS n FROM noex_log WHERE term > 1')
  t.ok(n > 0)
})

t.test('a leader that stops hands over at once, with accounts and all', async t => {
  const { connectionString } = await testDatabase(t)
  const first = await startNodeProcess(t, connectionString, 30_000)
  const second = await startNodeProcess(t, connectionString, 30_000)
  const admin = await first.logIn()
  await admin.ask('identity.createUser', { username: 'alice', password: 'correct horse 1' })
  for (let i = 0; i < 50; i++) await admin.ask('store.insert', { bucket: 'orders', data: { tag: `${i}` } })
  await first.stop()
  const stopped = performance.now()
  await until('the second one leads', async () => await isLeading(second))
  t.ok(performance.now() - stopped < 1_000)
  const heir = await second.logIn()
  t.equal((await heir.ask('store.all', { bucket: 'orders' })).length, 50)
  t.match(await heir.ask('identity.listUsers', {}), { users: [{ username: 'alice' }] })
  await heir.ask('store.insert', { bucket: 'orders', data: { tag: 'more' } })
  const third = await startNodeProcess(t, connectionString, 30_000)
  t.equal(await third.status(), 'standby')
  await sleep(300)
  t.equal(await second.status(), 'ok', 'one that comes later takes nothing over')
})
