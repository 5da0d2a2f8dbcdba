import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { AuditEntry, AuthSession, NoexOptions } from '../../lib/index.js'
import { serve, startStore, type Served } from '../support/service.js'
import { logInto } from '../support/log-into.js'

/** Faults that every function of the application can have. */
const faults: ReadonlyArray<readonly [what: string, fault: () => unknown]> = [
  [
    'throws',
    () => {
      throw new Error('boom')
    }
  ],
  ['rejects', async () => await Promise.reject(new Error('boom'))],
  ['answers a promise', async () => await Promise.resolve(true)],
  ['answers a text', () => 'yes'],
  ['answers a number', () => 1],
  ['answers an object', () => ({})],
  [
    'answers a thenable that throws',
    () => ({
      then () {
        throw new Error('boom')
      }
    })
  ],
  ['never settles', async () => await new Promise(() => {})]
]

interface Misbehaving extends Served {
  /** Lets the function do this once, and behave afterwards. */
  readonly once: (fault: () => unknown) => void
  /** The lines of the log that name a function of the application. */
  readonly named: (callback: string) => object[]
}

/** Serves with functions that behave until they are told otherwise. */
async function misbehaving (t: Test, callback: string): Promise<Misbehaving> {
  const log: Array<{ readonly msg: string }> = []
  let next: (() => unknown) | undefined
  const misbehave = (name: string, right: () => unknown): unknown => {
    if (name !== callback || next === undefined) return right()
    const fault = next
    next = undefined
    return fault()
  }
  const options: Omit<NoexOptions, 'store'> = {
    auth: {
      validate: token =>
        misbehave('auth.validate', () => ({ userId: token, roles: ['writer'] })) as AuthSession,
      validateTimeoutMs: 50,
      permissions: { check: () => misbehave('auth.permissions.check', () => true) as boolean }
    },
    audit: {
      tiers: ['admin', 'write', 'read'],
      logLevel: 'silent',
      onEntry: () => misbehave('audit.onEntry', () => undefined)
    }
  }
  const served = await serve(t, options, { fastify: { logger: logInto(log) } })
  return {
    ...served,
    once: fault => {
      next = fault
    },
    named: name => log.filter(({ msg }) => msg.startsWith(`${name} has failed`))
  }
}

t.test(
  'a function of the application that misbehaves costs one request, and the log says which it was',
  async t => {
    for (const [what, fault] of faults) {
      t.test(`auth.validate ${what}`, async t => {
        const { connect, once, named } = await misbehaving(t, 'auth.validate')
        const client = await connect()
        once(fault)
        t.match(await client.request('auth.login', { token: 'alice' }), {
          code: 'INTERNAL_ERROR',
          message: 'The operation failed inside the server'
        })
        t.match(named('auth.validate'), [{ level: 50, err: { message: /^auth\.validate has/ } }])
        t.same(await client.ask('auth.whoami'), { authenticated: false })
        t.match(
          await client.ask('auth.login', { token: 'alice' }),
          { userId: 'alice' },
          'the next login works'
        )
      })

      t.test(`auth.permissions.check ${what}`, async t => {
        const { connect, once, named, store } = await misbehaving(t, 'auth.permissions.check')
        const client = await connect()
        await client.ask('auth.login', { token: 'alice' })
        once(fault)
        t.match(await client.request('store.insert', { bucket: 'items', data: {} }), {
          code: 'INTERNAL_ERROR',
          message: 'The operation failed inside the server'
        })
        t.match(named('auth.permissions.check'), [
          { level: 50, err: { message: /^auth\.permissions\.check has/ } }
        ])
        t.equal(await store.bucket('items').count(), 0, 'nothing is written')
        await client.ask('store.insert', { bucket: 'items', data: {} })
      })

      t.test(`auth.permissions.check ${what} before a push`, async t => {
        const { connect, once, named, store } = await misbehaving(t, 'auth.permissions.check')
        store.defineQuery('count', async ctx => await ctx.bucket('items').count())
        const [alice, bob] = [await connect(), await connect()]
        for (const [client, token] of [
          [alice, 'alice'],
          [bob, 'bob']
        ] as const) {
          await client.ask('auth.login', { token })
          await client.ask('store.subscribe', { query: 'count' })
        }
        once(fault)
        await store.bucket('items').insert({})
        t.match(
          await alice.next(),
          { type: 'system', event: 'subscription_closed', reason: 'forbidden' },
          'nothing is pushed'
        )
        t.match(await bob.push(), { data: 1 }, 'the others get theirs')
        t.match(named('auth.permissions.check'), [{ err: { message: /^auth\.permissions\.check has/ } }])
      })

      t.test(`audit.onEntry ${what}`, async t => {
        const { connect, once, named, store } = await misbehaving(t, 'audit.onEntry')
        const client = await connect()
        await client.ask('auth.login', { token: 'alice' })
        once(fault)
        await client.ask('store.insert', { bucket: 'items', data: {} })
        await client.ask('store.insert', { bucket: 'items', data: {} })
        t.equal(await store.bucket('items').count(), 2)
        t.equal(
          named('audit.onEntry').length,
          ['throws', 'rejects', 'answers a thenable that throws'].includes(what) ? 1 : 0
        )
      })
    }
  }
)

t.test('a check that never answers rightly refuses everything, and is logged once', async t => {
  const { connect, named } = await (async () => {
    const log: Array<{ readonly callback?: string }> = []
    // Not `async` by its form, so that only its answer shows it.
    const check = (() => Promise.reject(new Error('boom'))) as unknown as () => boolean
    const served = await serve(
      t,
      {
        auth: {
          validate: token => ({ userId: token, roles: ['admin'] }),
          permissions: { default: 'allow', check }
        }
      },
      {
        fastify: {
          logger: logInto(log)
        }
      }
    )
    return { ...served, named: () => log.filter(line => line.callback === 'auth.permissions.check') }
  })()
  const client = await connect()
  await client.ask('auth.login', { token: 'alice' })
  for (let i = 0; i < 20; i++) {
    t.equal(await client.code('store.count', { bucket: 'items' }), 'INTERNAL_ERROR')
  }
  t.equal(named().length, 1)
})

t.test('a function that cannot answer as it must is refused at boot', async t => {
  const validate = (): null => null
  const table: ReadonlyArray<readonly [path: string, options: object]> = [
    ['auth.permissions.check', { auth: { validate, permissions: { check: async () => false } } }],
    [
      'auth.permissions.check',
      {
        auth: {
          validate,
          permissions: {
            check: function * () {
              yield false
            }
          }
        }
      }
    ],
    [
      'auth.permissions.check',
      {
        auth: {
          validate,
          permissions: {
            check: async function * () {
              yield false
            }
          }
        }
      }
    ],
    [
      'auth.validate',
      {
        auth: {
          validate: function * () {
            yield null
          }
        }
      }
    ],
    [
      'auth.validate',
      {
        auth: {
          validate: async function * () {
            yield null
          }
        }
      }
    ],
    [
      'audit.onEntry',
      {
        audit: {
          onEntry: function * () {
            yield null
          }
        }
      }
    ]
  ]
  for (const [path, options] of table) {
    await t.rejects(serve(t, options as never), { name: 'NoexOptionsError', path }, path)
  }
  await t.resolves(serve(t, { auth: { validate: async () => null }, audit: { onEntry: async () => {} } }))
})

t.test('what the application calls from its functions', async t => {
  const login = { token: 'alice' }

  /** Serves with functions that are made when the application is there. */
  async function reentrant (
    t: Test,
    make: (served: () => Served) => {
      check?: () => boolean
      validate?: () => Promise<void>
      onEntry?: (entry: AuditEntry) => void
    }
  ): Promise<Served> {
    const started: Served[] = []
    const { check, validate, onEntry } = make(() => started[0] as Served)
    const served = await serve(
      t,
      {
        auth: {
          async validate (token) {
            await validate?.()
            return { userId: token, roles: ['writer'] }
          },
          ...(check && { permissions: { check } })
        },
        ...(onEntry && { audit: { tiers: ['admin', 'write'], onEntry } })
      },
      { store: await startStore(t) }
    )
    started.push(served)
    return served
  }

  t.test('check may ask for statistics and write to the store', async t => {
    const written: Array<Promise<unknown>> = []
    const { connect } = await reentrant(t, served => ({
      check () {
        written.push(served().app.noex.getStats(), served().store.bucket('items').insert({ name: 'asked' }))
        return true
      }
    }))
    const client = await connect()
    await client.ask('auth.login', login)
    await client.ask('store.count', { bucket: 'items' })
    await Promise.all(written)
    t.ok((await client.ask('store.count', { bucket: 'items' })) > 0)
  })

  t.test('check may revoke the session for which it is asked: what it answers counts no more', async t => {
    const { connect, store } = await reentrant(t, served => ({
      check () {
        served().app.noex.revokeSession('alice')
        return true
      }
    }))
    const client = await connect()
    await client.ask('auth.login', login)
    client.send({ id: 9, type: 'store.insert', bucket: 'items', data: {} })
    t.match(await client.next(), { event: 'session_revoked' })
    t.equal((await client.closed).code, 4002)
    t.equal(await store.bucket('items').count(), 0)
  })

  t.test('check may drain the server', async t => {
    const drained: Array<Promise<void>> = []
    const { connect, app } = await reentrant(t, served => ({
      check () {
        drained.push(served().app.noex.drain())
        return true
      }
    }))
    const client = await connect()
    await client.ask('auth.login', login)
    client.send({ id: 9, type: 'store.count', bucket: 'items' })
    t.equal((await client.closed).code, 1000)
    await Promise.all(drained)
    t.equal(app.noex.state, 'draining')
  })

  t.test('validate may revoke the user whose token it is', async t => {
    const { connect } = await reentrant(t, served => ({
      async validate () {
        served().app.noex.revokeSession('alice')
      }
    }))
    t.equal(await (await connect()).code('auth.login', login), 'SESSION_REVOKED')
  })

  t.test('validate may ask for statistics and write to the store', async t => {
    const { connect, store } = await reentrant(t, served => ({
      async validate () {
        await served().app.noex.getStats()
        await served().store.bucket('items').insert({ name: 'seen' })
      }
    }))
    await (await connect()).ask('auth.login', login)
    t.equal(await store.bucket('items').count(), 1)
  })

  t.test('validate may wait for a drain that waits for it: both end', async t => {
    const { connect, app } = await reentrant(t, served => ({
      async validate () {
        await served().app.noex.drain()
      }
    }))
    const client = await connect()
    client.send({ id: 9, type: 'auth.login', ...login })
    t.equal((await client.closed).code, 1000)
    await app.close()
    t.equal(app.noex.state, 'closed')
  })

  t.test('onEntry may revoke whose entry it is, and write to the store', async t => {
    const seen: string[] = []
    const { connect, store } = await reentrant(t, served => ({
      onEntry (entry) {
        seen.push(entry.operation)
        if (entry.userId !== 'alice') return
        served().app.noex.revokeSession('alice')
        served()
          .store.bucket('items')
          .insert({ name: entry.operation })
          .catch(() => {})
      }
    }))
    const client = await connect()
    await client.request('auth.login', login).catch(() => {})
    t.equal((await client.closed).code, 4002)
    await setTimeout(0)
    t.ok(seen.length < 10, `${seen.join(', ')}`)
    t.ok((await store.bucket('items').count()) > 0)
  })
})
