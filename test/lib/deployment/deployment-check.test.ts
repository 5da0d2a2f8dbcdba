import t from 'tap'
import {
  checkDeployment, type AdviceId, type DeploymentPlace, type ServerConfig
} from '../../../lib/index.js'
import { isLoopback } from '../../../lib/deployment/deployment-check.js'
import { secretProblem } from '../../../lib/auth/secret-strength.js'
import { adminSecret, auth, environment, sinks, sound, storeIn } from '../../support/deployments.js'

const gateway = { userHeader: 'X-Forwarded-User', trustedProxies: ['10.0.0.1'] }

interface Row {
  readonly id: AdviceId
  readonly option: string
  /** Changes of the sound options. */
  readonly risk: Partial<ServerConfig>
  readonly place?: DeploymentPlace
  /** The named option, set as the message says. */
  readonly mended: Partial<ServerConfig>
}

const rows: readonly Row[] = [
  { id: 'no-tls', option: 'host', risk: { fastify: {} }, mended: { host: '127.0.0.1' } },
  {
    id: 'no-tls',
    option: 'host',
    risk: { host: undefined, fastify: undefined },
    mended: { realIpHeader: 'X-Real-IP', trustedProxies: ['10.0.0.1'] }
  },
  {
    id: 'no-tls',
    option: 'host',
    risk: { host: '::', fastify: { trustProxy: false } },
    mended: { fastify: { https: {} } }
  },
  { id: 'no-auth', option: 'auth', risk: { auth: undefined }, mended: { auth: { validate: () => null } } },
  { id: 'no-auth', option: 'auth', risk: { host: '127.0.0.1', auth: undefined }, mended: { auth } },
  {
    id: 'no-auth',
    option: 'auth',
    risk: { auth: { validate: () => null, required: false } },
    mended: { auth: { validate: () => null } }
  },
  {
    id: 'weak-secret',
    option: 'auth.adminSecret',
    risk: { auth: { builtIn: true, adminSecret: 'short' } },
    mended: { auth }
  },
  {
    id: 'weak-secret',
    option: 'auth.adminSecret',
    risk: { auth: { builtIn: true, adminSecret: 'change-me-before-you-go-live' } },
    mended: { auth }
  },
  {
    id: 'weak-secret',
    option: 'auth.gateway.secret',
    risk: { auth: { gateway: { ...gateway, secret: 'x'.repeat(40) } }, allowedOrigins: [] },
    mended: { auth: { gateway: { ...gateway, secret: adminSecret } } }
  },
  {
    id: 'any-origin',
    option: 'allowedOrigins',
    risk: { auth: { gateway } },
    mended: { allowedOrigins: ['https://a.example'] }
  },
  {
    id: 'any-origin',
    option: 'allowedOrigins',
    risk: {},
    place: { hasCookies: true },
    mended: { allowedOrigins: ['https://a.example'] }
  },
  { id: 'no-audit', option: 'audit', risk: { audit: undefined }, mended: { audit: { sinks } } },
  { id: 'audit-in-memory', option: 'audit.sinks', risk: { audit: {} }, mended: { audit: { sinks } } },
  {
    id: 'audit-in-memory',
    option: 'audit.sinks',
    risk: { audit: { sinks: [] } },
    mended: { audit: { onEntry: () => {} } }
  },
  {
    id: 'no-rate-limit',
    option: 'rateLimit',
    risk: { rateLimit: undefined },
    mended: { rateLimit: { maxRequests: 1, windowMs: 1_000 } }
  },
  {
    id: 'unlimited-connections',
    option: 'connectionLimits.maxConnections',
    risk: { connectionLimits: { maxSubscriptionsPerConnection: 50 } },
    mended: { connectionLimits: { maxSubscriptionsPerConnection: 50, maxConnections: 1 } }
  },
  {
    id: 'default-payload-limit',
    option: 'maxPayloadBytes',
    risk: { maxPayloadBytes: undefined },
    mended: { maxPayloadBytes: 1_048_576 }
  },
  {
    id: 'default-subscription-limit',
    option: 'connectionLimits.maxSubscriptionsPerConnection',
    risk: { connectionLimits: { maxConnections: 1 } },
    mended: { connectionLimits: { maxConnections: 1, maxSubscriptionsPerConnection: 100 } }
  },
  {
    id: 'error-details',
    option: 'exposeErrorDetails',
    risk: { exposeErrorDetails: undefined },
    place: { production: true },
    mended: { exposeErrorDetails: false }
  },
  ...['memory', 'adapter'].map((mode): Row => ({
    id: mode === 'memory' ? 'store-in-memory' : 'store-behind',
    option: 'store',
    risk: { store: storeIn(mode) },
    place: { production: true },
    mended: { store: storeIn('log') }
  })),
  {
    id: 'no-grace-period',
    option: 'shutdown.gracePeriodMs',
    risk: { shutdown: {} },
    mended: { shutdown: { gracePeriodMs: 1 } }
  },
  {
    id: 'no-grace-period',
    option: 'shutdown.gracePeriodMs',
    risk: { shutdown: undefined },
    mended: { shutdown: { gracePeriodMs: 1 } }
  }
]

function ids (options: ServerConfig, place?: DeploymentPlace): string[] {
  return checkDeployment(options, place).map(({ id }) => id)
}

t.test('checkDeployment', t => {
  t.test('finds nothing in sound options', async t => {
    t.same(ids(sound, { production: true }), [])
  })

  for (const { id, option, risk, place, mended } of rows) {
    t.test(`finds ${id} and names ${option}, which removes the risk`, async t => {
      const risky = { ...sound, ...risk }
      const advice = checkDeployment(risky, place)
      t.match(advice, [{ id, option }])
      t.equal(advice.length, 1, 'and nothing else')
      t.ok(advice[0]?.message.includes(option), String(advice[0]?.message))
      t.match(advice[0]?.message, /^[a-z].*: set .*[^.]$/, 'the risk and what to set, as a line of the log')
      t.same(ids({ ...risky, ...mended }, place), [])
    })
  }

  t.test('has a row above for each risk', async t => {
    const all = ids({ store: storeIn('memory'), auth: { builtIn: true, adminSecret: 'x' } }, {
      hasCookies: true, production: true
    })
    const others = ids({ store: storeIn('adapter'), audit: {} }, { production: true })
    t.same([...new Set([...all, ...others])].sort(), [...new Set(rows.map(({ id }) => id))].sort())
  })

  t.test('asks less of a server that only its own machine can reach', async t => {
    t.same(ids({ store: sound.store, host: '127.0.0.1' }), [
      'default-payload-limit',
      'default-subscription-limit',
      'no-grace-period'
    ])
    t.ok(
      ids({ store: sound.store, host: '127.0.0.1', fastify: { trustProxy: true } }).includes('no-rate-limit'),
      'unless a proxy brings others'
    )
  })

  t.test('takes the place from the caller before the options', async t => {
    const { fastify: _, ...options } = sound
    t.same(ids({ ...options, host: '127.0.0.1' }, { host: ['127.0.0.1', '10.2.3.4'] }), ['no-tls'])
    t.match(checkDeployment(options, { host: ['127.0.0.1', '10.2.3.4'] })[0]?.message, /on 10\.2\.3\.4/)
    t.same(ids(options, { host: [] }), [], 'a Unix socket')
    t.same(ids(options, { https: true }), [])
    t.same(ids(options, { trustProxy: true }), [])
  })

  t.test('reads from NODE_ENV whether this is production', async t => {
    environment(t, 'production')
    t.same(ids({ ...sound, exposeErrorDetails: true }), ['error-details'])
    process.env['NODE_ENV'] = 'test'
    t.same(ids({ ...sound, exposeErrorDetails: true }), [])
  })

  t.test('finds what is left to do in a configuration that looks complete', async t => {
    const complete: ServerConfig = {
      store: sound.store,
      port: 8080,
      host: '0.0.0.0',
      maxPayloadBytes: 1_048_576,
      auth: {
        builtIn: true,
        adminSecret,
        sessionTtl: 3_600_000,
        passwordMinLength: 12,
        maxSessionsPerUser: 5,
        loginRateLimit: { maxAttempts: 5, windowMs: 900_000 }
      },
      rateLimit: { maxRequests: 100, windowMs: 60_000 },
      heartbeat: { intervalMs: 30_000, timeoutMs: 10_000 },
      backpressure: { maxBufferedBytes: 1_048_576, highWaterMark: 0.8 },
      connectionLimits: { maxSubscriptionsPerConnection: 50 },
      audit: { tiers: ['admin', 'write'], maxEntries: 10_000, onEntry: () => {} }
    }
    t.same(ids(complete, { production: true }), [
      'no-tls',
      'unlimited-connections',
      'error-details',
      'no-grace-period'
    ])
  })

  t.test('changes nothing, and its advice cannot be changed', async t => {
    const options = Object.freeze({ ...sound, rateLimit: undefined, audit: Object.freeze({}) })
    const [advice] = checkDeployment(options)
    t.throws(() => { (advice as { id: string }).id = 'other' }, TypeError)
    t.same(ids(options), ['audit-in-memory', 'no-rate-limit'])
  })
  t.end()
})

t.test('an address that only this machine can reach', async t => {
  for (const host of [
    '127.0.0.1', '127.9.9.9', '::1', '[::1]', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', 'localhost', 'LOCALHOST'
  ]) {
    t.equal(isLoopback(host), true, host)
  }
  for (const host of [
    '0.0.0.0', '::', '10.0.0.1', '192.168.1.1', '2001:db8::1', 'api.example.com', '127.0.0.1.example.com', ''
  ]) {
    t.equal(isLoopback(host), false, host)
  }
})

t.test('a secret that can be guessed', async t => {
  t.equal(secretProblem('fifteen letters'), 'is shorter than 16 characters')
  t.equal(secretProblem('abababababababababab'), 'has fewer than 6 different characters')
  for (const secret of [
    'your-secret-goes-here',
    'My_Super_Secret_2024',
    'correct horse battery staple',
    'admin-PASSWORD-admin'
  ]) {
    t.equal(secretProblem(secret), 'looks like the example of a guide', secret)
  }
  for (const secret of [adminSecret, 'q7RZ0mXw2kTn5VbL', 'seven brown foxes over there']) {
    t.equal(secretProblem(secret), undefined, secret)
  }
})
