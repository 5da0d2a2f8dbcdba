import t, { type Test } from 'tap'
import { RuleEngine } from '@hamicek/noex-rules'
import { NoexOptionsError, type NoexOptions, type PermissionRule } from '../../lib/index.js'
import { operations } from '../../lib/operations/registry.js'
import { serve, startStore, type ServeSettings } from '../support/service.js'
import { serveAccounts } from '../support/identity.js'
import { logInto } from '../support/log-into.js'

/** How a warning of the first rule, and of the role of the tests, begins. */
const first = 'auth.permissions.rules[0].buckets: there is no bucket or query '
const old = 'role "old": permissions'

const validate = (token: string): { userId: string; roles: string[] } => ({ userId: token, roles: ['user'] })
const gateway = { gateway: { userHeader: 'X-Forwarded-User', trustedProxies: ['127.0.0.1'] } }

/** Options with these rules in a mode that has them. */
function withRules (
  rules: readonly PermissionRule[],
  mode: 'external' | 'gateway' = 'external'
): Omit<NoexOptions, 'store'> {
  return mode === 'external'
    ? { auth: { validate, permissions: { rules } } }
    : { auth: { ...gateway, permissions: { rules } }, allowedOrigins: ['https://a.example'] }
}

/** Why a service does not start. */
async function refusal (t: Test, options: Omit<NoexOptions, 'store'>): Promise<string> {
  try {
    await serve(t, options)
    return 'started'
  } catch (error) {
    return error instanceof NoexOptionsError ? error.message : String(error)
  }
}

interface Warning {
  readonly option?: string
  readonly msg: string
  readonly more?: number
}

/** The lines about names that are logged while a service starts. */
async function warnings (
  t: Test,
  options: Omit<NoexOptions, 'store'>,
  settings: ServeSettings = {}
): Promise<Warning[]> {
  const log: Array<Warning & { readonly advice?: string }> = []
  await serve(t, options, {
    ...settings,
    fastify: {
      logger: logInto(log)
    }
  })
  return log.filter(({ advice }) => advice === 'unknown-name')
}

const lines = (found: readonly Warning[]): string[] =>
  found.map(({ option, msg }) => `${String(option)}: ${msg}`)

t.test('an operation that does not exist is refused at boot, with the one that was meant', async t => {
  const table: ReadonlyArray<readonly [allow: string | readonly string[], problem: string]> = [
    ['store.gett', 'has "store.gett", which fits no operation; did you mean "store.get"?'],
    [
      ['store.*', 'store.udpate'],
      'has "store.udpate", which fits no operation; did you mean "store.update"?'
    ],
    ['Store.Get', 'has "Store.Get", which fits no operation; did you mean "store.get"?'],
    ['stor.*', 'has "stor.*", which fits no operation; did you mean "store.*"?'],
    ['rule.*', 'has "rule.*", which fits no operation; did you mean "rules.*"?'],
    ['store', 'has "store", which fits no operation; did you mean "store.*"?'],
    ['store.c*', 'has "store.c*", which fits no operation; did you mean "store.*"?'],
    ['store:*', 'has "store:*", which fits no operation; did you mean "store.*"?'],
    ['store.get.*', 'has "store.get.*", which fits no operation; did you mean "store.get"?'],
    ['**', 'has "**", which fits no operation'],
    ['get', 'has "get", which fits no operation']
  ]
  for (const mode of ['external', 'gateway'] as const) {
    for (const [allow, problem] of table) {
      t.equal(
        await refusal(
          t,
          withRules(
            [
              { role: 'a', allow: '*' },
              { role: 'b', allow }
            ],
            mode
          )
        ),
        `option auth.permissions.rules[1].allow ${problem}`
      )
    }
  }
})

t.test(
  'every operation of every mode may be allowed, also those that this service does not offer',
  async t => {
    t.equal(await refusal(t, withRules([{ role: 'a', allow: [...operations.keys()] }])), 'started')
    const namespaces = [
      ...new Set([...operations.keys()].map(name => `${name.slice(0, name.indexOf('.'))}.*`))
    ]
    t.equal(await refusal(t, withRules([{ role: 'a', allow: ['*', ...namespaces] }])), 'started')
  }
)

t.test('so is a cost, and a member of the options', async t => {
  t.equal(
    await refusal(t, { rateLimit: { maxRequests: 9, windowMs: 9, costs: { 'store.transactoin': 2 } } }),
    'option rateLimit.costs.store.transactoin is the cost of an operation that does not exist; ' +
      'did you mean "store.transaction"?'
  )
  t.equal(
    await refusal(t, { loginTimeOutMs: 5 } as object),
    'option loginTimeOutMs is unknown; did you mean "loginTimeoutMs"?'
  )
  t.equal(
    await refusal(t, { auth: { validate, permissions: { rule: [] } as object } }),
    'option auth.permissions.rule is unknown; did you mean "rules"?'
  )
  t.equal(
    await refusal(t, { audit: { teirs: [] } as object }),
    'option audit.teirs is unknown; did you mean "tiers"?'
  )
  t.match(
    await refusal(t, { audit: { tiers: ['wirte' as never] } }),
    /^option audit\.tiers must name some of read, write, admin/
  )
})

t.test('roles over the wire are checked in the same way', async t => {
  const { superadmin } = await serveAccounts(t)
  const root = await superadmin()
  const permissions = [{ allow: 'store.*' }, { allow: ['store.get', 'store.gett'] }]
  t.match(await root.request('identity.createRole', { name: 'clerk', permissions }), {
    code: 'VALIDATION_ERROR',
    message: 'permissions[1].allow: has "store.gett", which fits no operation; did you mean "store.get"?'
  })
  const { id } = await root.ask('identity.createRole', { name: 'clerk', permissions: [{ allow: 'store.*' }] })
  t.equal(await root.code('identity.updateRole', { roleId: id, permissions }), 'VALIDATION_ERROR')
  t.match(
    (await root.ask('identity.listRoles'))['roles'].find((role: { id: string }) => role.id === id),
    { permissions: [{ allow: 'store.*' }] }
  )
})

t.test('names that may still come are a warning, with the one that was meant', async t => {
  const store = await startStore(t)
  await store.defineBucket('orders', { key: 'id', schema: { id: { type: 'string', generated: 'uuid' } } })
  store.defineDeclarativeQuery('open-orders', { bucket: 'orders' })
  const rules = await RuleEngine.start()
  t.teardown(async () => {
    await rules.stop()
  })
  rules.registerRule({
    id: 'r',
    name: 'r',
    trigger: { type: 'event', topic: 'order.created' },
    conditions: [],
    actions: [],
    priority: 1,
    enabled: true,
    tags: []
  })

  t.test(
    'buckets and queries of rules, topics that nearly trigger a rule, and members without effect',
    async t => {
      const options = withRules([
        {
          role: 'a',
          allow: 'store.*',
          buckets: ['ordres', 'orders', 'open-orders', 'open-ordres', 'elsewhere']
        },
        {
          role: 'b',
          allow: 'rules.*',
          topics: ['order.craeted', 'order.created', 'order.*', 'another.topic']
        },
        { role: 'c', allow: ['rules.emit'], buckets: ['orders'] },
        { role: 'd', allow: ['store.get'], topics: ['order.created'] },
        { role: 'e', allow: '*', buckets: ['orders'], topics: ['order.*'] },
        { role: 'anonymus', allow: 'store.get' },
        { role: 'anonymous', allow: 'store.get' }
      ])
      t.same(lines(await warnings(t, { ...options, rules }, { store })), [
        `${first}"ordres" so far; did you mean "orders"?`,
        `${first}"open-ordres" so far; did you mean "open-orders"?`,
        `${first}"elsewhere" so far`,
        'auth.permissions.rules[1].topics: "order.craeted" triggers no rule; did you mean "order.created"?',
        'auth.permissions.rules[2].buckets: restricts nothing: no store operation is allowed here',
        'auth.permissions.rules[3].topics: restricts nothing: no rules operation is allowed here',
        'auth.permissions.rules[5].role: "anonymus" is no role of this server; did you mean "anonymous"?'
      ])
    }
  )

  t.test('permissions that can allow nothing', async t => {
    const where = { owner: '$userId' }
    const options = withRules([
      { role: 'a', allow: 'store.*', buckets: [] },
      { role: 'b', allow: ['store.get', 'rules.*'], topics: [] },
      { role: 'c', allow: 'store.clear', where },
      { role: 'd', allow: ['store.get', 'store.defineBucket', 'rules.*'], where },
      { role: 'e', allow: '*', where },
      {
        role: 'f',
        allow: ['store.*', 'store.transaction', 'store.subscribe', 'store.query', 'store.count'],
        where
      },
      { role: 'g', allow: 'store.clear', buckets: ['orders'] }
    ])
    const empty = (operation: string, what: string): string =>
      `is empty: no ${operation} operation is allowed here; ` +
      `leave it out to allow every ${what}, or leave out the permission`
    const never = (pattern: string): string =>
      `never allows "${pattern}", which neither reads nor changes single records; ` +
      'it needs a permission of its own, without where'
    t.same(lines(await warnings(t, { ...options, rules }, { store })), [
      `auth.permissions.rules[0].buckets: ${empty('store', 'bucket')}`,
      `auth.permissions.rules[1].topics: ${empty('rules', 'topic')}`,
      `auth.permissions.rules[2].where: ${never('store.clear')}`,
      `auth.permissions.rules[3].where: ${never('store.defineBucket')}`,
      `auth.permissions.rules[3].where: ${never('rules.*')}`
    ])
  })

  t.test('buckets of the procedures of the application', async t => {
    const definition = {
      name: 'p',
      steps: [{ action: 'store.get', bucket: 'ordres', key: 'x', as: 'a' }]
    } as const
    t.same(lines(await warnings(t, { procedures: { definitions: [definition] } }, { store })), [
      'procedures.definitions[0].steps[0].bucket: there is no bucket "ordres" so far; did you mean "orders"?'
    ])
  })

  t.test('what roles in the store say, which an earlier program may have written', async t => {
    const accounts = { builtIn: true, adminSecret: 'the admin secret of the tests' } as const
    t.same(await warnings(t, { auth: accounts }, { store }), [])
    await store
      .bucket('_roles')
      .insert({
        name: 'old',
        permissions: [{ allow: 'store.gett' }, { allow: 'store.*', buckets: ['ordres'] }, 'no permission']
      })
    t.same(lines(await warnings(t, { auth: accounts }, { store })), [
      `${old}[0].allow: has "store.gett", which fits no operation; did you mean "store.get"?`,
      `${old}[1].buckets: there is no bucket or query "ordres" so far; did you mean "orders"?`
    ])
  })

  t.test('what is defined before the application is ready is known', async t => {
    const late = await startStore(t)
    const found = await warnings(t, withRules([{ role: 'a', allow: 'store.*', buckets: ['late'] }]), {
      store: late,
      before: app => {
        app.addHook('onReady', async () => {
          await late.defineBucket('late', { key: 'id', schema: { id: { type: 'string' } } })
        })
      }
    })
    t.same(found, [])
  })

  t.test('a rule engine that does not answer does not hold up the start', async t => {
    const engine = await RuleEngine.start()
    t.teardown(async () => { await engine.stop() })
    const silent = new Proxy(engine, {
      get: (target, name) => {
        if (name === 'getRules') return async () => await new Promise(() => {})
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      }
    })
    const options = withRules([{ role: 'a', allow: 'rules.*', topics: ['order.craeted'] }])
    t.same(await warnings(t, { ...options, rules: silent }, { store }), [])
  })

  t.test('no more than fifty are logged', async t => {
    const found = await warnings(
      t,
      withRules([
        { role: 'a', allow: 'store.*', buckets: Array.from({ length: 200 }, (_, i) => `missing-${i}`) }
      ]),
      { store }
    )
    t.equal(found.length, 51)
    t.equal(found.at(-1)?.more, 150)
  })
})
