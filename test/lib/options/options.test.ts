import t, { type Test } from 'tap'
import { Store } from '@hamicek/noex-store'
import { Store as RegistryStore } from 'registry-noex-store'
import { NoexOptionsError } from '../../../lib/util/option-schema.js'
import { resolveOptions, type NoexOptions } from '../../../lib/options/options.js'
import { FakeRuleEngine } from '../../support/fake-rule-engine.js'

const does = (): void => {}

/** All that the options want of a store. */
const store = Object.assign(Object.create(Store.prototype), { [Symbol.for('noex.store')]: 1 })

/** Options as a caller without TypeScript may give them. */
function resolve (options: Record<string, unknown>) {
  return resolveOptions({ store, ...options } as unknown as NoexOptions)
}

function refuses (t: Test, options: Record<string, unknown>, path: string): void {
  let thrown: unknown
  try {
    resolve(options)
  } catch (error) {
    thrown = error
  }
  const sentence = JSON.stringify(options, (_name, value: unknown) =>
    typeof value === 'number' || value === undefined ? String(value) : value
  )
  if (!(thrown instanceof NoexOptionsError)) {
    t.fail(`${sentence} is accepted`)
    return
  }
  t.equal(thrown.path, path, sentence)
  t.equal(thrown.code, 'NOEX_ERR_INVALID_OPTION')
  t.equal(thrown.name, 'NoexOptionsError')
  t.ok(thrown.message.startsWith(`option ${path} `), thrown.message)
}

t.test('resolveOptions', t => {
  t.test('fills in the documented defaults', async t => {
    t.same(resolve({}), {
      store,
      path: '/',
      prefix: '',
      name: 'noex-server',
      routes: {
        healthz: '/healthz',
        readyz: '/readyz',
        livez: '/livez',
        stats: '/stats',
        metrics: false,
        rpc: false,
        events: false,
        client: false,
        console: false
      },
      hideRoutes: false,
      helmet: {},
      rulesTimeoutMs: 30_000,
      liveQueries: { maxBytesPerUser: 67_108_864, maxBytes: 268_435_456 },
      slowMs: 100,
      resume: { maxKeys: 100_000, maxBytes: 16_777_216, windowMs: 60_000 },
      maxPayloadBytes: 1_048_576,
      heartbeat: { intervalMs: 30_000, timeoutMs: 10_000 },
      backpressure: { maxBufferedBytes: 1_048_576, highWaterMark: 0.8, drainTimeoutMs: 4_000 },
      presence: { graceMs: 10_000, maxRecords: 1_000 },
      connectionLimits: {
        maxSubscriptionsPerConnection: 100,
        maxTotalSubscriptions: 10_000,
        maxConnections: Infinity,
        maxConnectionsPerUser: Infinity,
        maxUnauthenticatedConnections: 10_000,
        maxUnauthenticatedPayloadBytes: 32_768
      },
      workBudget: 50_000_000,
      maxCommitChanges: 10_000,
      idempotency: { windowMs: 600_000, maxKeys: 100_000, maxBytes: 134_217_728 },
      loginTimeoutMs: 60_000,
      rateLimit: undefined,
      maxConnectionsPerIp: Infinity,
      allowedOrigins: undefined,
      realIpHeader: undefined,
      trustedProxies: undefined,
      auth: undefined,
      audit: undefined,
      queryTimeoutMs: 30_000,
      operations: [],
      operationTimeoutMs: 30_000,
      procedures: { maxSteps: 100, maxConditionDepth: 5, defaultTimeoutMs: 30_000, definitions: [] },
      revocation: { blacklistTtlMs: 3_600_000 },
      exposeErrorDetails: true,
      shutdown: { gracePeriodMs: 0, drainDelayMs: 0, reconnectWindowMs: 5_000 }
    })
    t.equal(resolve({}).store, store, 'the store is handed on as it is')
  })

  t.test('takes every option as given', async t => {
    const given = {
      path: '/live',
      prefix: '/rt',
      name: 'production',
      routes: {
        healthz: '/up',
        readyz: false,
        livez: '/alive',
        stats: false,
        metrics: '/m',
        rpc: '/r',
        events: '/e',
        client: '/c',
        console: '/console'
      },
      hideRoutes: true,
      helmet: false,
      rulesTimeoutMs: 1,
      maxPayloadBytes: 1,
      heartbeat: { intervalMs: 1, timeoutMs: 2_147_483_647 },
      backpressure: { maxBufferedBytes: 1, highWaterMark: 1, drainTimeoutMs: 1 },
      presence: { graceMs: 0, maxRecords: 0 },
      liveQueries: { maxBytesPerUser: 1, maxBytes: 1 },
      slowMs: 0,
      resume: { maxKeys: 0, maxBytes: 0, windowMs: 0 },
      connectionLimits: {
        maxSubscriptionsPerConnection: 0,
        maxTotalSubscriptions: 0,
        maxConnections: 1,
        maxConnectionsPerUser: 1,
        maxUnauthenticatedConnections: 1,
        maxUnauthenticatedPayloadBytes: 1
      },
      workBudget: 1,
      maxCommitChanges: 2,
      idempotency: { windowMs: 1, maxKeys: 1, maxBytes: 1 },
      loginTimeoutMs: 1,
      rateLimit: { maxRequests: 10, windowMs: 1, costs: { ping: 0, 'store.query': 10, work: 1_000_000 } },
      maxConnectionsPerIp: 1,
      allowedOrigins: [
        'https://a.example',
        'http://localhost:8080',
        'http://[::1]:8080',
        'chrome-extension://abcdefgh',
        'capacitor://localhost',
        'null'
      ],
      realIpHeader: 'X-Real-IP',
      trustedProxies: ['127.0.0.1', '10.0.0.0/8'],
      auth: undefined,
      audit: {
        tiers: ['read'],
        maxEntries: 1,
        onEntry: does,
        logLevel: 'silent',
        sinks: [],
        writeTimeoutMs: 1
      },
      queryTimeoutMs: 1,
      operations: [],
      operationTimeoutMs: 1,
      procedures: { maxSteps: 1, maxConditionDepth: 0, defaultTimeoutMs: 1, definitions: [] },
      revocation: { blacklistTtlMs: 1 },
      exposeErrorDetails: false,
      shutdown: { gracePeriodMs: 0, drainDelayMs: 0, reconnectWindowMs: 0 }
    }
    const { work, ...costs } = given.rateLimit.costs
    t.same(resolve(given), {
      store,
      ...given,
      rateLimit: {
        maxRequests: 10, windowMs: 1, costs: new Map(Object.entries(costs)), unitsPerRequest: work
      }
    })
  })

  t.test('fills in the rest of a group that is given in part', async t => {
    const resolved = resolve({
      heartbeat: { timeoutMs: 50 },
      backpressure: { highWaterMark: 0.5 },
      connectionLimits: { maxSubscriptionsPerConnection: 50 },
      routes: { healthz: false },
      shutdown: {}
    })
    t.same(resolved.heartbeat, { intervalMs: 30_000, timeoutMs: 50 })
    t.same(resolved.backpressure, { maxBufferedBytes: 1_048_576, highWaterMark: 0.5, drainTimeoutMs: 4_000 })
    t.match(resolved.connectionLimits, { maxSubscriptionsPerConnection: 50, maxTotalSubscriptions: 10_000 })
    t.match(resolved.routes, { healthz: false, stats: '/stats' })
    t.same(resolved.shutdown, { gracePeriodMs: 0, drainDelayMs: 0, reconnectWindowMs: 5_000 })
  })

  t.test('counts undefined as absent, in groups too', async t => {
    t.same(resolve({
      path: undefined,
      prefix: undefined,
      routes: undefined,
      heartbeat: { intervalMs: undefined, timeoutMs: 5 },
      auth: undefined,
      rules: undefined,
      anythingElse: undefined
    }), { ...resolve({}), heartbeat: { intervalMs: 30_000, timeoutMs: 5 } })
  })

  t.test('lets Fastify keep its own options of register', async t => {
    t.same(resolve({ logLevel: 'warn', logSerializers: {} }), resolve({}))
  })

  t.test('does not change what it is given', async t => {
    const given = {
      store,
      heartbeat: { timeoutMs: 5 },
      routes: { healthz: undefined },
      allowedOrigins: ['https://a.example']
    }
    const before = structuredClone({ ...given, store: undefined })
    resolveOptions(Object.freeze(given) as unknown as NoexOptions)
    t.same({ ...given, store: undefined }, before)
  })

  t.test('keeps the defaults apart from one caller to the next', async t => {
    resolve({ heartbeat: { intervalMs: 1 }, routes: { stats: false } })
    t.same(resolve({}).heartbeat, { intervalMs: 30_000, timeoutMs: 10_000 })
    t.match(resolve({}).routes, { healthz: '/healthz', stats: '/stats' })
  })

  t.test('wants a store', async t => {
    refuses(t, { store: undefined }, 'store')
    t.throws(() => resolve({ store: undefined }), /Store\.start/)
    for (const value of [null, 1, 'store', {}, []]) refuses(t, { store: value }, 'store')
    t.throws(() => resolve({ store: { bucket: 1 } }), /must be a noex store.*Store\.start/)
  })

  t.test('names the import to change, and the format, of a store that it cannot serve', async t => {
    const registry = await RegistryStore.start()
    t.teardown(async () => { await registry.stop() })
    refuses(t, { store: registry }, 'store')
    t.throws(() => resolve({ store: registry }), {
      message: /Store of the package @hamicek\/noex-store, .*import \{ Store \} from 'fastify-noex\/store'/
    })
    for (const missing of ['bucket', 'onCommit', 'getStats']) {
      const broken = Object.assign(Object.create(Store.prototype), {
        [Symbol.for('noex.store')]: 1, [missing]: 5
      })
      t.throws(() => resolve({ store: broken }), {
        message: new RegExp(`no method ${missing};.*Store\\.start`)
      })
    }
    refuses(t, { store: { [Symbol.for('noex.store')]: 1 } }, 'store')
    t.throws(() => resolve({ store: { [Symbol.for('noex.store')]: 7 } }), {
      message: /format 7, .*serves format 1/
    })
  })

  const bad: Record<string, readonly unknown[]> = {
    path: [null, 1, '', 'live', '/a b', '/a?b', '/a#b', '/:a', '/*'],
    prefix: [null, 1, 'live', '/a b', '/:a'],
    name: [null, 1, ''],
    routes: [null, 1, '/healthz', [], true],
    'routes.healthz': [null, true, '', 'up', '/:id', {}],
    'routes.stats': [null, true, '', 'up', '/*', 1],
    'routes.livez': [null, true, '', 'up', '/*', 1],
    'routes.metrics': [null, true, '', 'up', '/*', 1],
    'routes.client': [null, true, '', 'up', '/*', 1],
    'routes.readyz': [null, true, '', 'up', '/*', 1],
    hideRoutes: [null, 1, 'yes', {}],
    helmet: [null, true, 1, 'off', []],
    maxPayloadBytes: [null, 0, -1, 1.5, NaN, Infinity, 2 ** 31, '1024', 1n],
    heartbeat: [null, 30_000, [], false],
    'heartbeat.intervalMs': [null, 0, -1, 0.5, NaN, Infinity, 2 ** 31, '30s'],
    rulesTimeoutMs: [null, 0, -1, 0.5, NaN, Infinity, 2 ** 31, false],
    'heartbeat.timeoutMs': [null, 0, -1, 0.5, NaN, Infinity, 2 ** 31, false],
    backpressure: [null, 1, [], false],
    'backpressure.maxBufferedBytes': [null, 0, -1, 0.5, NaN, Infinity, '1 MB'],
    'backpressure.highWaterMark': [null, 0, -0.1, 1.1, NaN, Infinity, '0.8'],
    'backpressure.drainTimeoutMs': [null, 0, -1, 0.5, NaN, Infinity, 2 ** 31],
    presence: [null, 1, [], false],
    'presence.graceMs': [null, -1, 0.5, NaN, Infinity, 2 ** 31, '10s'],
    'presence.maxRecords': [null, -1, 0.5, NaN, Infinity, '5'],
    connectionLimits: [null, 1, []],
    'connectionLimits.maxSubscriptionsPerConnection': [null, -1, 0.5, NaN, Infinity, '50'],
    'connectionLimits.maxTotalSubscriptions': [null, -1, 0.5, NaN, Infinity, '50'],
    'connectionLimits.maxConnections': [null, 0, -1, 0.5, NaN, Infinity, '50'],
    'connectionLimits.maxConnectionsPerUser': [null, 0, -1, 0.5, NaN, Infinity, '50'],
    'connectionLimits.maxUnauthenticatedConnections': [null, 0, -1, 0.5, NaN, Infinity, '50'],
    loginTimeoutMs: [null, 0, -1, 0.5, NaN, Infinity, 2 ** 31, '15s', false],
    idempotency: [null, 100, [], false],
    'idempotency.windowMs': [null, 0, -1, 0.5, NaN, Infinity, '10m', false],
    'idempotency.maxKeys': [null, 0, -1, 0.5, NaN, Infinity, '5'],
    'idempotency.maxBytes': [null, 0, -1, 0.5, NaN, Infinity, '1 MB'],
    rateLimit: [null, 100, [], true],
    maxConnectionsPerIp: [null, 0, -1, 0.5, NaN, Infinity, '5'],
    // eslint-disable-next-line no-sparse-arrays
    allowedOrigins: [null, 'https://a.example', {}, [''], [1], [undefined], [, 'https://a.example'],
      new Set(['https://a.example']), ['a.example'], ['*'], ['https://*.a.example'], ['https://a.example/'],
      ['https://A.example'], ['https://a.example:443'], ['https://a.example', 'https://b.example/path'],
      ['null ']],
    audit: [null, true, 'all', []],
    'audit.tiers': [null, 'admin', [], ['admin', 'admin'], ['owner'], [1]],
    'audit.maxEntries': [null, 0, -1, 0.5, NaN, Infinity, '10'],
    'audit.onEntry': [null, 'log', {}],
    'audit.logLevel': [null, 'loud', 1, false],
    'audit.sinks': [null, {}, 'audit.jsonl'],
    'audit.writeTimeoutMs': [null, 0, -1, 0.5, NaN, Infinity, 2 ** 31],
    queryTimeoutMs: [null, 0, -1, 0.5, NaN, Infinity, 3_600_001, '30s', false],
    operations: [null, true, {}, 'all', 5],
    operationTimeoutMs: [null, 0, -1, 0.5, NaN, Infinity, 3_600_001, '30s'],
    procedures: [null, true, 'all', []],
    'procedures.maxSteps': [null, 0, -1, 0.5, NaN, Infinity, 10_001, '5'],
    'procedures.maxConditionDepth': [null, -1, 0.5, NaN, Infinity, 16, '5'],
    'procedures.defaultTimeoutMs': [null, 0, -1, 0.5, NaN, Infinity, 3_600_001, '30s'],
    'procedures.definitions': [null, {}, 'all', 5],
    exposeErrorDetails: [null, 0, 1, 'false'],
    shutdown: [null, 5_000, []],
    'shutdown.gracePeriodMs': [null, -1, 0.5, NaN, Infinity, 2 ** 31 - 1, '5s'],
    'shutdown.drainDelayMs': [null, -1, 0.5, NaN, Infinity, 2 ** 31 - 1, '5s'],
    'shutdown.reconnectWindowMs': [null, -1, 0.5, NaN, Infinity, 2 ** 31, '5s']
  }
  for (const [path, values] of Object.entries(bad)) {
    t.test(`refuses a bad ${path}, naming it`, async t => {
      for (const value of values) {
        const [group, name] = path.split('.') as [string, string | undefined]
        const isBigint = typeof value === 'bigint'
        if (isBigint) t.throws(() => resolve({ [group]: value }), NoexOptionsError)
        else refuses(t, { [group]: name === undefined ? value : { [name]: value } }, path)
      }
    })
  }

  t.test('refuses an unknown option by its name', async t => {
    refuses(t, { maxPayload: 1 }, 'maxPayload')
    refuses(t, { heartbeat: { interval: 1 } }, 'heartbeat.interval')
    refuses(t, { routes: { health: '/up' } }, 'routes.health')
    refuses(t, { audit: { file: 'audit.jsonl' } }, 'audit.file')
    for (const sink of [null, {}, { name: 'x', policy: {} }, 'audit.jsonl']) {
      refuses(t, { audit: { sinks: [sink] } }, 'audit.sinks[0]')
    }
    refuses(t, { heartbeat: { logLevel: 'warn' } }, 'heartbeat.logLevel')
    refuses(t, { procedures: { timeoutMs: 1 } }, 'procedures.timeoutMs')
    for (const inherited of ['constructor', 'toString', 'hasOwnProperty']) {
      refuses(t, { [inherited]: 1 }, inherited)
    }
    refuses(t, JSON.parse('{"__proto__":{"path":"/live"}}') as Record<string, unknown>, '__proto__')
  })

  t.test('takes procedures that are sound, and names what is wrong with others', async t => {
    const sound = { name: 'p', steps: [{ action: 'return', value: 1 }] }
    const { definitions } = resolve({
      procedures: { definitions: [sound, { ...sound, name: 'q', runAs: 'owner', timeoutMs: undefined }] }
    }).procedures
    t.match(definitions, [{ name: 'p', definition: sound, stepCount: 1 }, { name: 'q' }])
    const table: ReadonlyArray<readonly [definition: unknown, path: string]> = [
      [null, ''],
      ['p', ''],
      [() => {}, ''],
      [{ ...sound, steps: [] }, '.steps'],
      [{ ...sound, name: '' }, '.name'],
      [{ ...sound, steps: [{ action: 'store.get', key: 'k', as: 'x' }] }, '.steps[0].bucket'],
      [{ ...sound, steps: [sound.steps[0], sound.steps[0]] }, '.steps'],
      [sound, '.name']
    ]
    for (const [definition, path] of table) {
      refuses(
        t,
        { procedures: { maxSteps: 1, definitions: [sound, definition] } },
  `procedures.definitions[1]${path}`
      )
    }
  })

  t.test('refuses an option whose feature is not there instead of ignoring it', async t => {
    refuses(t, { rules: {} }, 'rules')
    refuses(t, { rules: false }, 'rules')
    refuses(t, { rules: Object.assign(new FakeRuleEngine(), { isRunning: async () => true }) }, 'rules')
    refuses(t, { rules: Object.freeze(new FakeRuleEngine()) }, 'rules')
    refuses(t, { rules: Object.defineProperty(new FakeRuleEngine(), 'emit', { value: does }) }, 'rules')
    refuses(t, { routes: { panel: '/panel' } }, 'routes.panel')
  })

  t.test('refuses a rate limit that is none', async t => {
    refuses(t, { rateLimit: {} }, 'rateLimit.maxRequests')
    refuses(t, { rateLimit: { maxRequests: 1 } }, 'rateLimit.windowMs')
    for (const value of [null, 0, -1, 0.5, NaN, Infinity, '100']) {
      refuses(t, { rateLimit: { maxRequests: value, windowMs: 1 } }, 'rateLimit.maxRequests')
      refuses(t, { rateLimit: { maxRequests: 1, windowMs: value } }, 'rateLimit.windowMs')
    }
    for (const value of [null, 1, [], 'all']) {
      refuses(t, { rateLimit: { maxRequests: 5, windowMs: 1, costs: value } }, 'rateLimit.costs')
    }
    for (const value of [null, -1, 0.5, 6, '1']) {
      refuses(
        t,
        { rateLimit: { maxRequests: 5, windowMs: 1, costs: { ping: value } } },
        'rateLimit.costs.ping'
      )
    }
    for (const value of [null, 0, 0.5, '1']) {
      const rateLimit = { maxRequests: 5, windowMs: 1, costs: { work: value } }
      refuses(t, { rateLimit }, 'rateLimit.costs.work')
    }
    refuses(t, { rateLimit: { maxRequests: 5, windowMs: 1, burst: 1 } }, 'rateLimit.burst')
  })
  t.end()
})
