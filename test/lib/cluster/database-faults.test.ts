import { chownSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { sql, startNode, until } from '../../support/cluster.js'
import { makeServer, postgresPrograms } from '../../support/postgres.js'
import { smallDisk } from '../../support/small-disk.js'

const programs = postgresPrograms(t)
if (programs !== undefined) {
  const server = await makeServer(t, programs)
  await server.start()

  t.test('a database that is killed and started again has everything that was acknowledged', async t => {
    const { store, notices } = await startNode(t, server.connectionString, { name: 'killed' })
    const follower = await startNode(t, server.connectionString, { name: 'killed' })
    const items = store.bucket('items')
    const acknowledged: string[] = []
    const unknown = new Set<string>()
    const over = new AbortController()
    const writing = Array.from({ length: 16 }, async (_, writer) => {
      for (let i = 0; !over.signal.aborted; i++) {
        const id = `${writer}-${i}`
        try {
          await items.insert({ id })
          acknowledged.push(id)
        } catch (error) {
          if ((error as { isOutcomeUnknown?: boolean }).isOutcomeUnknown === true) unknown.add(id)
          await sleep(20)
        }
      }
    })
    for (let round = 0; round < 3; round++) {
      await sleep(300)
      await server.kill()
      await until('writes are refused', () => store.durability.state !== 'ok')
      t.match(await items.get(acknowledged[0]), { id: acknowledged[0] }, 'reads go on')
      await server.start()
      const writable = [store, follower.store]
      await until('one takes writes', () => writable.some(({ durability }) => durability.state === 'ok'))
      await until('the first one does', async () => {
        if (follower.store.durability.state !== 'ok') return store.durability.state === 'ok'
        await sql(server.connectionString, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE application_name = 'fastify-noex log' AND pid <> pg_backend_pid()`)
        return false
      })
    }
    over.abort()
    await Promise.all(writing)
    await until('both are the same', () => store.revision === follower.store.revision)
    t.ok(acknowledged.length > 100, `${acknowledged.length} writes`)
    for (const { store } of [follower]) {
      const present = new Set((await store.bucket('items').all()).map(({ id }) => id as string))
      t.strictSame(acknowledged.filter(id => !present.has(id)), [], 'none is lost')
      const others = [...present].filter(id => !acknowledged.includes(id) && !unknown.has(id))
      t.strictSame(others, [], 'none that was refused has come back')
    }
    t.strictSame(await follower.store.takeImage(), await store.takeImage())
    t.ok(notices.some(({ type }) => type === 'unavailable'))
    const restarted = await startNode(t, server.connectionString, { name: 'killed' })
    t.strictSame(await restarted.store.takeImage(), await store.takeImage())
  })

  t.test('a database that hangs holds up no reads, and its writes come back once', async t => {
    const { store } = await startNode(t, server.connectionString, { name: 'hangs' })
    const items = store.bucket('items')
    await items.insert({ id: 'a' })
    server.freeze()
    t.teardown(() => { server.resume() })
    const writing = items.insert({ id: 'b' }).then(() => 'done', (error: unknown) => error)
    await sleep(300)
    t.match(await items.get('a'), { id: 'a' })
    const outcome = await writing
    t.match(outcome, { code: 'STORE_UNAVAILABLE', isOutcomeUnknown: true })
    t.equal(await items.get('b'), undefined)
    t.match(store.durability, { state: 'unavailable', lastError: { message: /cannot be reached/ } })
    server.resume()
    await until('it takes writes again', () => store.durability.state === 'ok')
    // The statement was under way: it is in the log, and so it is in the store.
    const [{ n }] = await sql(server.connectionString,
      "SELECT last_revision::int AS n FROM noex_lease WHERE name = 'hangs'")
    t.equal(store.revision, n)
    await items.insert({ id: 'c' })
    t.ok(await items.get('c'))
  })

  t.test('a standby goes on when the database has hung for a while', async t => {
    const { store } = await startNode(t, server.connectionString, { name: 'standby' })
    const standby = await startNode(t, server.connectionString, { name: 'standby' })
    await store.bucket('items').insert({ id: 'a' })
    await until('it has caught up', () => standby.store.revision === store.revision)
    server.freeze()
    t.teardown(() => { server.resume() })
    await until('both say so', () => [store, standby.store].every(({ durability }) =>
      durability.state === 'unavailable'))
    t.match(await standby.store.bucket('items').get('a'), { id: 'a' })
    server.resume()
    const states = (): string[] => [store, standby.store].map(({ durability }) => durability.state).sort()
    await until('one leads, and one follows', () => states().join() === 'following,ok')
    const leader = [store, standby.store].find(({ durability }) => durability.state === 'ok') ?? store
    await leader.bucket('items').insert({ id: 'b' })
    await until('both are the same', () => store.revision === standby.store.revision)
    t.strictSame(await standby.store.takeImage(), await store.takeImage())
  })

  t.test('a disk that is full refuses writes, and no more', async t => {
    const disk = smallDisk(t)
    if (disk === undefined) return
    const { uid, gid } = statSync('/var/lib/postgresql')
    chownSync(disk.directory, uid, gid)
    await sql(server.connectionString, `CREATE TABLESPACE small LOCATION '${disk.directory}'`)
    const { store } = await startNode(t, server.connectionString, { name: 'full' })
    t.teardown(async () => {
      await sql(server.connectionString, 'ALTER TABLE noex_log SET TABLESPACE pg_default')
      await sql(server.connectionString, 'DROP TABLESPACE small')
    })
    await sql(server.connectionString, 'DELETE FROM noex_log WHERE name <> $1', ['full'])
    await sql(server.connectionString, 'VACUUM FULL noex_log')
    await sql(server.connectionString, 'ALTER TABLE noex_log SET TABLESPACE small')
    disk.fill()
    const items = store.bucket('items')
    const big = 'x'.repeat(60_000)
    const outcomes: unknown[] = []
    for (let i = 0; i < 8; i++) {
      outcomes.push(await items.insert({ id: `${i}${big}` }).then(() => 'done', (error: unknown) => error))
      await until('it asks again', () => store.durability.state === 'ok')
    }
    t.ok(outcomes.some(outcome => (outcome as { isOutcomeUnknown?: boolean }).isOutcomeUnknown === false))
    t.match(store.durability.lastError?.message, /disk of the database is full: make room there/)
    disk.free()
    await items.insert({ id: `after${big}` })
    const restarted = await startNode(t, server.connectionString, { name: 'full' })
    t.strictSame(await restarted.store.takeImage(), await store.takeImage())
  })

  t.test('a database that becomes read-only, or takes rights away, refuses writes by name', async t => {
    const { store } = await startNode(t, server.connectionString, { name: 'rights' })
    const items = store.bucket('items')
    await items.insert({ id: 'a' })
    const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = 'fastify-noex log'`
    await sql(server.connectionString, 'ALTER DATABASE postgres SET default_transaction_read_only = on')
    await sql(server.connectionString, terminate)
    await t.rejects(items.insert({ id: 'b' }), { code: 'STORE_UNAVAILABLE' })
    t.match(store.durability.lastError?.message, /read-only/)
    const writable = `${server.connectionString}?options=-c%20default_transaction_read_only%3Doff`
    await sql(writable, 'ALTER DATABASE postgres RESET default_transaction_read_only')
    await sql(server.connectionString, terminate)
    await until('it takes writes again', () => store.durability.state === 'ok')
    await items.insert({ id: 'c' })
    await sql(server.connectionString, "DELETE FROM noex_lease WHERE name = 'rights'")
    await t.rejects(items.insert({ id: 'd' }), { code: /NOT_LEADER|STORE_UNAVAILABLE/ })
    await until('it says so', () => /has no row "rights" any more/.test(store.durability.lastError?.message ?? ''))
  })
}
