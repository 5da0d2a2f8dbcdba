import t, { type Test } from 'tap'
import type { AuditEntry, NoexOptions } from '../../lib/index.js'
import { TestClient } from '../support/client.js'
import { serve, type Served } from '../support/service.js'
import { logInto, type LogLine } from '../support/log-into.js'
import { RawSocket } from '../support/raw-socket.js'

const adminSecret = '9f1c5e0b7a3d48e2b6c4d1f0a8e7c3b5'

interface Way {
  readonly name: string
  /** The header that a proxy sets. */
  readonly header: string
  readonly serve: (t: Test, options?: Omit<NoexOptions, 'store'>, lines?: LogLine[]) => Promise<Served>
}

const ways: readonly Way[] = [
  {
    name: 'trustProxy',
    header: 'X-Forwarded-For',
    serve: async (t, options = {}, lines = []) =>
      await serve(t, options, {
        fastify: { trustProxy: ['127.0.0.1', '10.0.0.0/8'], logger: logInto(lines, 'info') }
      })
  },
  {
    name: 'realIpHeader',
    header: 'X-Real-IP',
    serve: async (t, options = {}, lines = []) =>
      await serve(
        t,
        { realIpHeader: 'X-Real-IP', trustedProxies: ['127.0.0.1'], ...options },
        { fastify: { logger: logInto(lines, 'info') } }
      )
  }
]

/** Addresses of clients, and how proxies write them: with ports (Azure, IIS), brackets, zones, as IPv6. */
const spellings: ReadonlyArray<readonly [address: string, written: readonly string[]]> = [
  [
    '203.0.113.7',
    [
      '203.0.113.7',
      '203.0.113.7:50001',
      '203.0.113.7:50002',
      '::ffff:203.0.113.7',
      '[::ffff:203.0.113.7]:50001',
      '::FFFF:cb00:7107'
    ]
  ],
  ['2001:db8::7', ['2001:db8::7', '[2001:db8::7]', '[2001:DB8:0:0::7]:50001', '2001:0db8::0007']],
  ['fe80::7', ['fe80::7%eth0', '[fe80::7%br_lan]:443', 'fe80::7']]
]

const noAddresses = [
  'unknown', '_hidden', 'for=203.0.113.7', '"203.0.113.7:80"', 'client.example', '203.0.113',
  '[203.0.113.7]:80', '203.0.113.7:port', '203.0.113.7:99999', '[2001:db8::7]:65536', '', ' '
]

for (const way of ways) {
  t.test(`one client has one address, however the proxy writes it (${way.name})`, t => {
    const open = async (t: Test, { url }: Served, written: string): Promise<TestClient> =>
      await TestClient.open(t, url, { headers: { [way.header]: written } })

    t.test('in the list of connections and in the log', async t => {
      const lines: LogLine[] = []
      const served = await way.serve(t, {}, lines)
      for (const [address, writtenForms] of spellings) {
        for (const written of writtenForms) {
          await open(t, served, written)
          t.equal(served.app.noex.getConnections().at(-1)?.remoteAddress, address, written)
          t.equal(
            lines.findLast(({ msg }) => msg === 'connection opened')?.['remoteAddress'],
            address,
            written
          )
        }
      }
    })

    t.test('for maxConnectionsPerIp', async t => {
      const served = await way.serve(t, { maxConnectionsPerIp: 1 })
      await open(t, served, '203.0.113.7:50001')
      for (const written of spellings[0]?.[1] ?? []) {
        t.equal(
          (await TestClient.raw(t, served.url, { headers: { [way.header]: written } }).closed).code,
          4003,
          written
        )
      }
      await open(t, served, '203.0.113.8:50001')
    })

    t.test('for rateLimit', async t => {
      const served = await way.serve(t, { rateLimit: { maxRequests: 3, windowMs: 60_000 } })
      for (const written of ['203.0.113.7:50001', '203.0.113.7:50002', '[::ffff:203.0.113.7]:50003']) {
        t.ok(await (await open(t, served, written)).ask('store.buckets'), written)
      }
      t.equal(await (await open(t, served, '203.0.113.7:50004')).code('store.buckets'), 'RATE_LIMITED')
      t.ok(await (await open(t, served, '203.0.113.8:50001')).ask('store.buckets'))
    })

    t.test('for guesses of the admin secret, and in the audit trail', async t => {
      const entries: AuditEntry[] = []
      const served = await way.serve(t, {
        auth: { builtIn: true, adminSecret, loginRateLimit: { maxAttempts: 2, windowMs: 60_000 } },
        audit: {
          onEntry: entry => {
            entries.push(entry)
          }
        }
      })
      const guess = async (written: string): Promise<string> =>
        await (await open(t, served, written)).code('identity.loginWithSecret', { secret: 'x' })
      t.equal(await guess('203.0.113.7:50001'), 'UNAUTHORIZED')
      t.equal(await guess('203.0.113.7:50002'), 'UNAUTHORIZED')
      t.equal(await guess('203.0.113.7:50003'), 'RATE_LIMITED')
      t.equal(await guess('203.0.113.8:50001'), 'UNAUTHORIZED')
      const logins = entries.filter(({ operation }) => operation === 'identity.loginWithSecret')
      t.same(
        logins.map(({ remoteAddress }) => remoteAddress),
        ['203.0.113.7', '203.0.113.7', '203.0.113.7', '203.0.113.8']
      )
    })

    t.test('for guesses of a token at /stats, and for what validates it', async t => {
      const seen: string[] = []
      const served = await way.serve(t, {
        rateLimit: { maxRequests: 2, windowMs: 60_000 },
        auth: {
          validate (_token, { remoteAddress }) {
            seen.push(remoteAddress)
            return null
          }
        }
      })
      const guess = async (written: string): Promise<number> => {
        const headers = { authorization: 'Bearer wrong', [way.header]: written }
        return (await fetch(`http://127.0.0.1:${served.port}/stats`, { headers })).status
      }
      t.same(
        [await guess('203.0.113.7:1'), await guess('203.0.113.7:2'), await guess('203.0.113.7:3')],
        [401, 401, 429]
      )
      t.same(seen, ['203.0.113.7', '203.0.113.7'])
    })

    t.test(
      'and what is no address is refused with 400, for the log and the trail at the address of the proxy',
      async t => {
        const lines: LogLine[] = []
        const entries: AuditEntry[] = []
        const served = await way.serve(
          t,
          {
            audit: {
              onEntry: entry => {
                entries.push(entry)
              }
            }
          },
          lines
        )
        for (const written of noAddresses) {
          const raw = await RawSocket.upgrade(t, served.port, '/', [
            'Host: localhost',
            `${way.header}: ${written}`
          ])
          t.equal(await raw.status(), 400, written)
          await raw.closed
          for (const path of ['/stats', '/healthz']) {
            const { status } = await fetch(`http://127.0.0.1:${served.port}${path}`, {
              headers: { [way.header]: written }
            })
            t.equal(status, path === '/stats' ? 400 : 200, `${path} ${written}`)
          }
        }
        const refusals = lines.filter(({ msg }) => msg === 'upgrade refused')
        t.equal(refusals.length, noAddresses.length)
        const reason = new RegExp(`${way.header}.* one IP address`)
        for (const line of refusals) t.match(line, { remoteAddress: '127.0.0.1', reason })
        const recorded = entries.filter(({ operation }) => operation === 'connection.refuse')
        t.equal(recorded.length, noAddresses.length)
        for (const entry of recorded) t.equal(entry.remoteAddress, '127.0.0.1')
      }
    )

    t.test('and a refusal for another reason names the client by the same address', async t => {
      const lines: LogLine[] = []
      const entries: AuditEntry[] = []
      const served = await way.serve(
        t,
        {
          allowedOrigins: [],
          audit: {
            onEntry: entry => {
              entries.push(entry)
            }
          }
        },
        lines
      )
      const raw = await RawSocket.upgrade(t, served.port, '/', [
        'Host: localhost',
        'Origin: https://a.example',
        `${way.header}: 203.0.113.7:50001`
      ])
      t.equal(await raw.status(), 403)
      t.match(
        lines.filter(({ msg }) => msg === 'upgrade refused'),
        [{ remoteAddress: '203.0.113.7' }]
      )
      t.match(entries, [{ operation: 'connection.refuse', remoteAddress: '203.0.113.7' }])
    })
    t.end()
  })
}

t.test('trustProxy takes the last address that no trusted proxy has, from a list with ports', async t => {
  const served = await (ways[0] as Way).serve(t)
  const table: ReadonlyArray<readonly [header: string, address: string | 400]> = [
    ['203.0.113.7:50001, 10.0.0.1', '203.0.113.7'],
    ['6.6.6.6:1, 203.0.113.7:50001, 10.0.0.1,10.0.0.2', '203.0.113.7'],
    ['unknown, 203.0.113.7:50001', '203.0.113.7'],
    ['203.0.113.7:50001, unknown', 400],
    ['203.0.113.7:50001, _hidden, 10.0.0.1', 400],
    // A proxy with a port is none that Fastify trusts: its own address stands for its clients.
    ['203.0.113.7:50001, 10.0.0.1:4711', '10.0.0.1'],
    [' , ', 400],
    ['', 400]
  ]
  for (const [header, expected] of table) {
    const raw = await RawSocket.upgrade(t, served.port, '/', [
      'Host: localhost',
      `X-Forwarded-For: ${header}`
    ])
    t.equal(await raw.status(), expected === 400 ? 400 : 101, header)
    if (expected !== 400) t.equal(served.app.noex.getConnections().at(-1)?.remoteAddress, expected, header)
    raw.socket.destroy()
  }
})

t.test('realIpHeader takes no list: it cannot tell which of several is the client', async t => {
  const served = await (ways[1] as Way).serve(t)
  for (const value of ['203.0.113.7:50001, 10.0.0.1', '203.0.113.7, ', ',']) {
    const raw = await RawSocket.upgrade(t, served.port, '/', ['Host: localhost', `X-Real-IP: ${value}`])
    t.equal(await raw.status(), 400, value)
  }
})

t.test('a session that the store keeps has the address in the same form', async t => {
  const { url, store } = await (ways[0] as Way).serve(t, { auth: { builtIn: true, adminSecret } })
  const client = await TestClient.open(t, url, { headers: { 'x-forwarded-for': '203.0.113.7:50001' } })
  await client.ask('identity.loginWithSecret', { secret: adminSecret })
  await client.ask('identity.createUser', { username: 'ann', password: 'correct horse' })
  await client.ask('identity.login', { username: 'ann', password: 'correct horse' })
  t.match(await store.bucket('_sessions').all(), [{ ip: '203.0.113.7' }])
})

t.test('a list without any address is refused where Fastify reads it, and only there', async t => {
  const table = [['127.0.0.1', 400], [true, 400], ['10.0.0.1', 400], [false, 101]] as const
  for (const [trustProxy, status] of table) {
    const { port } = await serve(t, {}, { fastify: { trustProxy } })
    for (const list of ['', ',', ' , ,', ',\t,']) {
      const raw = await RawSocket.upgrade(t, port, '/', ['Host: localhost', `X-Forwarded-For: ${list}`])
      t.equal(await raw.status(), status, `${trustProxy}: ${JSON.stringify(list)}`)
      raw.socket.destroy()
    }
    const twice = ['Host: localhost', 'X-Forwarded-For:', 'X-Forwarded-For:']
    const raw = await RawSocket.upgrade(t, port, '/', twice)
    t.equal(await raw.status(), status, `${trustProxy}: twice, empty`)
    raw.socket.destroy()
  }
})

t.test('a trust function of the application that throws costs its request and nothing else', async t => {
  let throws = true
  const served = await serve(
    t,
    {},
    {
      fastify: {
        trustProxy: () => {
          if (throws) throw new Error('no such proxy')
          return false
        }
      }
    }
  )
  const raw = await RawSocket.upgrade(t, served.port, '/', [
    'Host: localhost',
    'X-Forwarded-For: 203.0.113.7'
  ])
  t.equal(await raw.status(), 500)
  await raw.closed
  throws = false
  t.ok(await served.connect())
})
