import { join } from 'node:path'
import t from 'tap'
import { recordEntry, type AuditEntry } from '../../lib/audit/entry.js'
import { jsonlSink } from '../../lib/audit/file/jsonl-sink.js'
import type { AuditSink, SinkContext } from '../../lib/audit/sink.js'
import { LogGuard } from '../../lib/application/log-guard.js'
import { AuditTrail } from '../../lib/audit/trail.js'
import { verifyTrail } from '../../lib/audit/file/verify.js'
import { systemClock } from '../../lib/util/clock.js'
import type { Log } from '../../lib/util/log.js'
import { FakeClock } from '../support/fake-clock.js'
import type { Served } from '../support/service.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { MemorySink, nothing, policy, serveLogged, silent } from '../support/audit-sinks.js'

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

/** Returns whether a callback fails, from its title. */
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

  t.test('gets the entries that it causes, after the entry that it is called with', async t => {
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

  t.test('is not called without end when each call causes another entry', async t => {
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

t.test('an entry cannot be changed by its receivers', async t => {
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
