import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { recordEntry, type AuditEntry, type RecordedEntry } from '../../lib/audit/entry.js'
import { jsonlSink } from '../../lib/audit/file/jsonl-sink.js'
import { postgresSink } from '../../lib/audit/postgres/postgres-sink.js'
import type { AuditSink, SinkContext, SinkWriter } from '../../lib/audit/sink.js'
import { LogGuard } from '../../lib/application/log-guard.js'
import { AuditTrail } from '../../lib/audit/trail.js'
import { verifyTrail } from '../../lib/audit/file/verify.js'
import { systemClock } from '../../lib/util/clock.js'
import type { Log } from '../../lib/util/log.js'
import type { NoexOptions } from '../../lib/index.js'
import { FakeClock } from '../support/fake-clock.js'
import { serve, type Served } from '../support/service.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const silent: Log = { trace () {}, debug () {}, info () {}, warn () {}, error () {}, child: () => silent }

const policy = { admin: 'block', write: 'block', read: 'block' } as const

/** A sink that keeps what it is given. */
class MemorySink implements AuditSink {
  readonly name: string = 'memory'
  readonly policy = policy
  readonly entries: AuditEntry[] = []

  async open (_context: SinkContext): Promise<SinkWriter> {
    return {
      write: async batch => { this.entries.push(...batch.map(({ entry }) => entry)) },
      close: async () => {}
    }
  }
}

interface Logged extends Served {
  /** The messages of the log from `warn` up. */
  readonly messages: string[]
}

async function serveLogged (t: Test, audit: NonNullable<NoexOptions['audit']>): Promise<Logged> {
  const messages: string[] = []
  const stream = new PassThrough()
  stream.on('data', (line: Buffer) => { messages.push((JSON.parse(String(line)) as { msg: string }).msg) })
  // Every client may come in, and the service has sessions to revoke.
  const auth = { validate: (token: string) => ({ userId: token, roles: [] }), required: false }
  const served = await serve(t, { audit, auth }, { fastify: { logger: { level: 'warn', stream } } })
  return { ...served, messages }
}

/** As a program in JavaScript can throw. */
const nothing = undefined as unknown as Error

const nastyError = Object.defineProperty(
  new Error('x'),
  'message',
  { get () { throw new Error('no message') } }
)

function awkward (): Record<string, (argument: unknown) => unknown> {
  return {
    throws: () => { throw new Error('at once') },
    'throws no error': () => { throw nothing },
    'throws an error that cannot be read': () => { throw nastyError },
    rejects: async () => { await null; throw new Error('later') },
    'rejects without a reason': async () => { await Promise.reject(nothing) },
    'returns something else': () => 5,
    'returns what only looks like a promise': () => ({ then: 5 }),
    'returns a promise that throws when it is looked at': () => ({ get then () { throw new Error('then') } }),
    'returns a promise of another making that fails': () => Object.assign(Object.create(null), {
      then (_resolve: unknown, reject: (error: Error) => void) { reject(new Error('other')) }
    }) as unknown,
    'never settles': () => new Promise(() => {}),
    'changes what it gets': argument => {
      (argument as Record<string, unknown>)['userId'] = 'another-user'
    }
  }
}

/** Whether a callback fails, from its title. */
const isFailure = (title: string): boolean => /^(?:throws|rejects|returns a promise|changes)/.test(title)

for (const [title, onEntry] of Object.entries(awkward())) {
  t.test(`onEntry ${title}: entries, replies and other clients do not notice`, async t => {
    const sink = new MemorySink()
    const { app, connect, messages } = await serveLogged(
      t,
      { tiers: ['write'], logLevel: 'silent', sinks: [sink], onEntry }
    )
    const [one, other] = [await connect(), await connect()]
    for (const client of [one, other, one]) {
      await client.ask('store.insert', { bucket: 'items', data: { n: 1 } })
    }
    await app.close()
    t.match(sink.entries.map(({ operation, userId }) => [operation, userId]), [
      ...Array.from({ length: 3 }, () => ['store.insert', null]), ['server.drain', null]
    ])
    const complaints = messages.filter(message => message.startsWith('audit.onEntry has failed'))
    t.equal(complaints.length, isFailure(title) ? 1 : 0, 'the log says once who has failed')
  })

  t.test(`onCheckpoint ${title}: the trail does not notice`, async t => {
    const path = join(temporaryDirectory(t), 'audit.jsonl')
    const sink = jsonlSink({ path, checkpointEntries: 1, onCheckpoint: onEntry })
    const { app, connect, messages } = await serveLogged(
      t,
      { tiers: ['write'], logLevel: 'silent', sinks: [sink] }
    )
    const client = await connect()
    for (let n = 0; n < 3; n++) await client.ask('store.insert', { bucket: 'items', data: { n } })
    await app.close()
    t.match(await verifyTrail({ files: [path] }), { ok: true, entries: 4 })
    const complaints = messages.filter(
      message => message.startsWith('onCheckpoint of an audit sink has failed')
    )
    t.equal(
      complaints.length,
      isFailure(title) && !title.startsWith('changes') ? 1 : 0,
      'the log says once who has failed'
    )
  })
}

t.test('an onEntry that calls the service', t => {
  t.test('may read statistics and write to the store', async t => {
    const seen: Array<[string, number]> = []
    const served: { app?: Served['app'], store?: Served['store'] } = {}
    const onEntry = async ({ operation }: AuditEntry): Promise<void> => {
      const stats = await served.app?.noex.getStats()
      seen.push([operation, stats?.audit?.entries ?? 0])
      await served.store?.bucket('items').insert({ name: operation })
    }
    const { app, connect, store } = await serveLogged(t, { tiers: ['write'], logLevel: 'silent', onEntry })
    Object.assign(served, { app, store })
    const client = await connect()
    for (let n = 0; n < 3; n++) await client.ask('store.insert', { bucket: 'items', data: { n } })
    await client.settled()
    t.same(seen, [['store.insert', 1], ['store.insert', 2], ['store.insert', 3]])
    t.equal(await store.bucket('items').count(), 6)
  })

  t.test('hears of the entries that it causes, behind those that it is told of', async t => {
    const seen: string[] = []
    const served: { app?: Served['app'] } = {}
    let depth = 0
    const onEntry = ({ operation, resource }: AuditEntry): void => {
      t.equal(depth++, 0, 'it is never called within its own call')
      seen.push(`${operation} ${resource}`)
      if (operation === 'store.insert') served.app?.noex.revokeSession('alice')
      depth--
    }
    const { app, connect } = await serveLogged(t, { tiers: ['write'], logLevel: 'silent', onEntry })
    served.app = app
    const [client, alice] = [await connect(), await connect()]
    await alice.ask('auth.login', { token: 'alice' })
    await client.ask('store.insert', { bucket: 'items', data: {} })
    await app.close()
    t.same(seen, ['store.insert items', 'connection.close *', 'session.revoke user:alice', 'server.drain *'])
  })

  t.test('does not go on for ever when each call causes others', async t => {
    const sink = new MemorySink()
    const errors: string[] = []
    const log: Log = { ...silent, error (_details, message) { errors.push(message) }, child: () => log }
    const served: { trail?: AuditTrail } = {}
    const onEntry = (): void => {
      for (let n = 0; n < 2; n++) served.trail?.note({ operation: 'session.revoke' })
    }
    const options = {
      tiers: ['write' as const],
      maxEntries: 10_000,
      onEntry,
      logLevel: 'silent' as const,
      sinks: [sink],
      writeTimeoutMs: 1_000
    }
    const trail = await AuditTrail.open(options, log, systemClock)
    served.trail = trail
    trail.note({ operation: 'session.revoke' })
    await trail.close()
    t.equal(
      sink.entries.length,
      2 ** 10 - 1,
      'it hears of them up to a number, and all of them are in the trail'
    )
    t.same(errors, ['audit.onEntry has failed; further failures within a minute are not logged'])
  })
  t.end()
})

t.test('an onCheckpoint that causes entries gets checkpoints of them, and requests go on', async t => {
  const path = join(temporaryDirectory(t), 'audit.jsonl')
  const served: { app?: Served['app'] } = {}
  const seqs: number[] = []
  const onCheckpoint = ({ seq }: { readonly seq: number }): void => {
    seqs.push(seq)
    if (seq < 20) served.app?.noex.revokeSession('alice')
  }
  const sink = jsonlSink({ path, checkpointEntries: 1, onCheckpoint })
  const { app, connect } = await serveLogged(t, { tiers: ['write'], logLevel: 'silent', sinks: [sink] })
  served.app = app
  const client = await connect()
  for (let n = 0; n < 5; n++) await client.ask('store.insert', { bucket: 'items', data: { n } })
  await app.close()
  t.ok(seqs.length > 5)
  t.match(await verifyTrail({ files: [path] }), { ok: true })
})

t.test('a sink of the application\'s own', t => {
  t.test('is refused at the start when it lacks something, by what it lacks', async t => {
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

  t.test('whose write never settles: requests are refused in time, and nothing else is held up', async t => {
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

  t.test('that changes what it is given changes nothing for the others', async t => {
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

  t.test('may call what it is given within its own calls, but note only what is about the trail', async t => {
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

t.test('loggers that fail', async t => {
  const warnings: Error[] = []
  const listener = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', listener)
  t.teardown(() => { process.off('warning', listener) })
  const broken: Record<string, () => unknown> = {
    throw: () => { throw new Error('no log') },
    'throw what cannot be read': () => { throw nastyError },
    reject: async () => { throw new Error('no log') }
  }
  for (const [title, fail] of Object.entries(broken)) {
    const method = fail as () => void
    const log: Log = {
      trace: method,
      debug: method,
      info: method,
      warn: method,
      error: method,
      child: () => { throw new Error('no child') }
    }
    const sink = new MemorySink()
    let context: SinkContext | undefined
    const own: AuditSink = {
      name: 'own',
      policy,
      open: async given => { context = given; return await sink.open(given) }
    }
    const onEntry = (): never => { throw new Error('and onEntry, too') }
    const options = {
      tiers: ['write' as const],
      maxEntries: 10,
      onEntry,
      logLevel: 'info' as const,
      sinks: [own],
      writeTimeoutMs: 1_000
    }
    warnings.length = 0
    const clock = new FakeClock()
    const guarded = new LogGuard().wrap(log)
    const trail = await AuditTrail.open(options, guarded, clock)
    for (let n = 0; n < 3; n++) {
      trail.note({ operation: 'session.revoke' }, guarded)
      const entry = {
        timestamp: n,
        userId: null,
        sessionId: 'conn-1',
        operation: 'store.insert',
        resource: 'items',
        result: 'success' as const,
        remoteAddress: ''
      }
      t.equal(trail.reserve('write'), undefined)
      t.equal(
        await trail.record(recordEntry(entry), { tier: 'write', reserved: true, log: guarded }),
        true,
        `loggers that ${title}`
      )
    }
    context?.log.child({}).error({}, 'from a sink')
    context?.failing(new Error('x'), 'x')
    await trail.close()
    t.equal(sink.entries.length, 6)
    t.equal(trail.query({}).length, 6)
    await new Promise(resolve => { setImmediate(resolve) })
    t.match(
      warnings,
      [{ code: 'NOEX_LOGGER_FAILED', message: /^the logger has failed/ }],
      'the process is warned once'
    )
  }
})

t.test('a pool that is none of pg, or fails', async t => {
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

t.test('an entry cannot be changed by those who get it', async t => {
  const { entry } = recordEntry({
    timestamp: 1,
    userId: null,
    sessionId: null,
    operation: 'x',
    resource: '*',
    result: 'success',
    remoteAddress: '',
    details: { list: [{ a: 1 }] }
  })
  t.throws(() => { Object.assign(entry, { userId: 'x' }) }, TypeError)
  t.throws(() => { Object.assign((entry.details?.['list'] as object[])[0] as object, { a: 2 }) }, TypeError)
})
