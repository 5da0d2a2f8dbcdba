import { join } from 'node:path'
import t from 'tap'
import type { RecordedEntry } from '../../lib/audit/entry.js'
import { jsonlSink } from '../../lib/audit/file/jsonl-sink.js'
import { postgresSink } from '../../lib/audit/postgres/postgres-sink.js'
import type { AuditSink, SinkContext, SinkWriter } from '../../lib/audit/sink.js'
import { verifyTrail } from '../../lib/audit/file/verify.js'
import { FakeClock } from '../support/fake-clock.js'
import { serve } from '../support/service.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { MemorySink, nothing, policy, serveLogged, silent } from '../support/audit-sinks.js'

t.test('a sink of the application\'s own', t => {
  t.test('is refused at the start when a member is missing, with its name', async t => {
    const open = async (): Promise<SinkWriter> => ({ write: async () => {}, close: async () => {} })
    const good = { name: 'own', policy, open }
    const cases: ReadonlyArray<readonly [unknown, RegExp]> = [
      [{}, /sinks\[0\] must be a sink/],
      [{ ...good, name: '' }, /sinks\[0\] must be a sink/],
      [{ ...good, policy: {} }, /sinks\[0\]\.policy\.read must be "block" or "drop"/],
      [{ ...good, policy: { ...policy, admin: 'wait' } }, /sinks\[0\]\.policy\.admin must be/],
      [{ ...good, open () {} }, /audit sink "own": open must resolve with a writer/],
      [{ ...good, open: async () => ({ write () {} }) }, /audit sink "own": open must resolve with a writer/],
      [{ ...good, open () { throw new Error('no disk') } }, /no disk/],
      [{ ...good, open: async () => { throw new Error('no disk') } }, /no disk/]
    ]
    for (const [sink, message] of cases) {
      await t.rejects(serve(t, { audit: { sinks: [sink as AuditSink] } }), { message })
    }
  })

  const failures: Record<string, () => unknown> = {
    throws: () => { throw new Error('at once') },
    'throws no error': () => { throw nothing },
    rejects: async () => { throw new Error('later') }
  }
  for (const [title, fail] of Object.entries(failures)) {
    t.test(`whose write ${title}: requests are refused, and the entries are given again`, async t => {
      let isBroken = true
      const sink = new MemorySink()
      const { write, close } = await sink.open({} as SinkContext)
      const own: AuditSink = {
        name: 'own',
        policy,
        open: async () => ({ close, write: batch => isBroken ? fail() as Promise<void> : write(batch) })
      }
      const { app, connect, messages } = await serveLogged(
        t,
        { tiers: ['write'], logLevel: 'silent', sinks: [own] }
      )
      const client = await connect()
      t.match(
        await client.request('store.insert', { bucket: 'items', data: { n: 1 } }),
        { code: 'INTERNAL_ERROR', details: { reason: 'audit_unavailable', applied: true } }
      )
      t.equal(await client.code('store.insert', { bucket: 'items', data: { n: 2 } }), 'INTERNAL_ERROR')
      t.match(
        (await app.inject('/healthz')).json(),
        { status: 'audit_unavailable', reason: 'own: it rejects entries' }
      )
      await client.ask('store.all', { bucket: 'items' })
      isBroken = false
      while ((await app.inject('/healthz')).statusCode !== 200) await client.settled()
      await client.ask('store.insert', { bucket: 'items', data: { n: 3 } })
      await app.close()
      t.same(sink.entries.map(({ operation, result }) => `${operation} ${result}`), [
        'store.insert success', 'store.insert error', 'store.insert success', 'server.drain success'
      ])
      t.equal(messages.filter(message => message === 'audit sink has failed').length, 1)
    })
  }

  t.test('whose write never settles: requests are refused in time, and nothing else waits', async t => {
    const own: AuditSink = {
      name: 'own',
      policy,
      open: async () => ({ write: async () => { await new Promise(() => {}) }, close: async () => {} })
    }
    const { app, connect } = await serveLogged(
      t,
      { tiers: ['write'], logLevel: 'silent', sinks: [own], writeTimeoutMs: 50 }
    )
    const client = await connect()
    t.equal(await client.code('store.insert', { bucket: 'items', data: {} }), 'INTERNAL_ERROR')
    t.equal((await client.ask('store.all', { bucket: 'items' })).length, 1)
    t.match((await app.inject('/healthz')).json(), { reason: /^own: nothing has become durable/ })
    await t.rejects(app.close(), /did not become durable/)
  })

  t.test('that writes at once, without a promise', async t => {
    const seen: string[] = []
    const write = (batch: readonly RecordedEntry[]): void => {
      seen.push(...batch.map(({ entry }) => entry.operation))
    }
    const own = { name: 'own', policy, open: () => ({ write, close () {} }) } as unknown as AuditSink
    const { app, connect } = await serveLogged(t, { tiers: ['write'], logLevel: 'silent', sinks: [own] })
    await (await connect()).ask('store.insert', { bucket: 'items', data: {} })
    await app.close()
    t.same(seen, ['store.insert', 'server.drain'])
  })

  t.test('that changes its arguments changes nothing for the others', async t => {
    const changing: AuditSink = {
      name: 'changing',
      policy: { ...policy, write: 'drop' },
      open: async () => ({
        async write (batch) {
          for (const { entry } of batch) t.throws(() => { Object.assign(entry, { userId: 'x' }) }, TypeError)
        },
        close: async () => {}
      })
    }
    const sink = new MemorySink()
    const { app, connect } = await serveLogged(
      t,
      { tiers: ['write'], logLevel: 'silent', sinks: [changing, sink] }
    )
    await (await connect()).ask(
      'store.transaction',
      { operations: [{ op: 'insert', bucket: 'items', data: {} }, { op: 'count', bucket: 'items' }] }
    )
    await app.close()
    t.match(sink.entries[0], { userId: null, resource: 'items' })
  })

  t.test('whose close throws, or never ends: the service stops, and the other sinks are closed', async t => {
    const endings = [
      () => { throw new Error('close') },
      async () => { throw new Error('close') },
      async () => { await new Promise(() => {}) }
    ]
    for (const close of endings) {
      const open = async () => ({ write: async () => {}, close })
      const own = { name: 'own', policy, open } as unknown as AuditSink
      const path = join(temporaryDirectory(t), 'audit.jsonl')
      const { app } = await serveLogged(
        t,
        { logLevel: 'silent', sinks: [own, jsonlSink({ path })], writeTimeoutMs: 200 }
      )
      await app.close()
      t.match(await verifyTrail({ files: [path] }), { ok: true, entries: 1, sinceCheckpoint: 0 })
    }
  })

  t.test('may call its context within its own calls, but note only events of the trail', async t => {
    let context: SinkContext | undefined
    const written: string[] = []
    const own: AuditSink = {
      name: 'own',
      policy,
      open: async given => {
        context = given
        return {
          write: async batch => {
            written.push(...batch.map(({ entry }) => entry.operation))
            if (written.length < 3) given.note('audit.noted', { by: 'own' })
            given.failing(undefined as never, 5 as never)
          },
          close: async () => {}
        }
      }
    }
    const { app, connect } = await serveLogged(t, { tiers: ['write'], logLevel: 'silent', sinks: [own] })
    const client = await connect()
    await client.request('store.insert', { bucket: 'items', data: {} })
    for (const operation of [5, 'store.insert', 'audit.', undefined]) {
      t.throws(() => { context?.note(operation as never, {}) }, TypeError)
    }
    await app.close()
    t.ok(written.includes('audit.noted'))
  })
  t.end()
})

t.test('a pool that is not one of pg, or fails', async t => {
  const never = async (): Promise<never> => await new Promise<never>(() => {})
  const fail = (): never => { throw new Error('broken') }
  const client = { query: async () => ({ rows: [], rowCount: 0 }), on () {}, release () {} }
  const cases: ReadonlyArray<readonly [object, RegExp]> = [
    [{ connect () {} }, /connect must return a promise/],
    [{ connect: async () => undefined }, /connect must resolve with a client, which has query\(\)/],
    [{ connect: async () => ({ ...client, release: undefined }) }, /which has release\(\)/],
    [{ connect () { throw new Error('at once') } }, /database cannot be reached: at once/],
    [{ connect: async () => { throw new Error('later') } }, /database cannot be reached: later/],
    [{ connect: async () => ({ ...client, query () {} }) }, /query must resolve with a result/],
    [{ connect: async () => ({ ...client, query: fail }) }, /database cannot be reached: broken/],
    [
      { connect: async () => ({ ...client, query: async () => { fail() }, release: fail }) },
      /be reached: broken/
    ]
  ]
  for (const [pool, message] of cases) {
    await t.rejects(serve(t, { audit: { sinks: [postgresSink({ pool: pool as never })] } }), { message })
  }
  // Connecting and each query have five seconds.
  const hanging = [{ connect: never }, { connect: async () => ({ ...client, query: never }) }]
  await Promise.all(hanging.map(async pool => {
    const context = { log: silent, clock: new FakeClock(), failing () {}, note () {} }
    await t.rejects(postgresSink({ pool: pool as never }).open(context), /within 5000 ms/)
  }))
})
