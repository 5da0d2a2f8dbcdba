import { createHash } from 'node:crypto'
import { RuleEngine } from '@hamicek/noex-rules'
import t, { type Test } from 'tap'
import { operations } from '../../../lib/operations/registry.js'
import { baseRequests } from '../../support/base-requests.js'
import type { Frame, TestClient } from '../../support/client.js'
import { serveAccounts, type Accounts } from '../../support/identity.js'

const keyed = [...operations.values()].filter(({ takesKey }) => takesKey).map(({ name }) => name)
const others = [...operations.values()].filter(({ takesKey }) => !takesKey).map(({ name }) => name)

/** Requests that stand for base requests whose subject has to be found out first. */
const found: Readonly<Record<string, (accounts: Accounts) => Promise<object>>> = {
  'store.transaction': async () => ({
    operations: [
      { op: 'insert', bucket: 'items', data: { name: 'y' } }, { op: 'get', bucket: 'items', key: 'taken' },
      { op: 'increment', bucket: 'items', key: 'taken', field: 'n', by: 1 },
      { op: 'updateMany', bucket: 'items', filter: {}, data: { name: 'z' } }
    ]
  }),
  'identity.createUser': async () => ({ username: 'albert', password: 'correct horse battery' }),
  'identity.transferOwner': async () => (
    { resourceType: 'procedure', resourceName: 'kept', newOwnerId: 'alice' }
  ),
  'identity.updateRole': async ({ store }) => ({ roleId: await roleId(store), description: 'x' }),
  'identity.deleteRole': async ({ store }) => ({ roleId: await roleId(store) })
}

async function roleId (store: Accounts['store']): Promise<unknown> {
  return (await store.bucket('_roles').findOne({ name: 'known' }))?.['id']
}

/** Requests that make what a request changes or removes. */
const preparations: Readonly<Record<string, ReadonlyArray<readonly [string, object]>>> = {
  'store.dropBucket': [['store.defineBucket', baseRequests['store.defineBucket'] as object]],
  'store.undefineQuery': [['store.defineQuery', baseRequests['store.defineQuery'] as object]],
  'store.clear': [['store.insert', { bucket: 'scratch', data: {} }]],
  'rules.deleteFact': [['rules.setFact', { key: 'order:1', value: 1 }]],
  'procedures.unregister': [['procedures.register', baseRequests['procedures.register'] as object]],
  'identity.updateRole': [['identity.createRole', { name: 'known' }]],
  'identity.deleteRole': [['identity.createRole', { name: 'known' }]],
  'identity.removeRole': [['identity.assignRole', { userId: 'alice', roleName: 'reader' }]],
  'identity.revoke': [['identity.grant', baseRequests['identity.grant'] as object]]
}

interface Served {
  readonly accounts: Accounts
  readonly clients: readonly [TestClient, TestClient]
  /** A digest of everything that a request can change. */
  readonly state: () => string
}

async function serveAll (t: Test): Promise<Served> {
  const rules = await RuleEngine.start()
  t.teardown(async () => { await rules.stop() })
  let events = 0
  rules.subscribe('*', () => { events++ })
  for (const id of ['kept', 'other']) {
    rules.registerRule({ id, name: id, trigger: { type: 'fact', pattern: '*' } })
  }
  const accounts = await serveAccounts(t, {}, { rules, audit: {} })
  const { store, superadmin } = accounts
  const users = ['alice', 'bob'].map(id => ({ id, username: `${id} of the tests`, passwordHash: 'none' }))
  await store.bucket('_users').insertMany(users)
  await store.defineBucket('scratch', { key: 'id', schema: { id: { type: 'string', generated: 'uuid' } } })
  await store.bucket('items').insertMany([{ id: 'taken', name: 'x', n: 1 }, { id: 'other' }])
  const clients = [await superadmin(), await superadmin()] as const
  const step = { action: 'store.insert', bucket: 'items', data: { name: '{{ input.id }}' }, as: 'item' }
  await clients[0].ask('procedures.register', { procedure: { name: 'kept', steps: [step] } })
  const state = (): string => {
    const parts = [store.image(), events, rules.getAllFacts(), rules.getRules()]
    return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
  }
  return { accounts, clients, state }
}

t.test('every operation of the tiers of changes takes a key, but those of the own session and reads', t => {
  const changing = [...operations.values()].filter(({ tier }) => tier === 'write' || tier === 'admin')
  const without = changing.filter(({ takesKey }) => !takesKey).map(({ name }) => name)
  t.same(without.sort(), [
    'audit.query', 'auth.login', 'auth.logout', 'identity.changePassword', 'identity.login',
    'identity.loginWithSecret', 'identity.logout', 'identity.refreshSession', 'procedures.list',
    'rules.getRule', 'rules.getRules', 'rules.validateRule',
    'server.connection', 'server.connections', 'server.queries', 'server.refusals', 'server.stats',
    'store.getBucketSchema', 'store.listQueries'
  ])
  t.end()
})

t.test('an operation that changes something', async t => {
  for (const name of keyed) {
    t.test(`${name} with a repeated key is answered as before, on any connection, and done once`, async t => {
      const { accounts, clients: [client, other], state } = await serveAll(t)
      for (const [type, fields] of preparations[name] ?? []) await client.ask(type, fields)
      const base = await found[name]?.(accounts) ?? baseRequests[name] as object
      const request = { ...base, idempotencyKey: `key of ${name}`, revision: true }
      const untouched = state()
      const first = await client.request(name, request)
      t.match(first, { type: 'result', revision: accounts.store.revision })
      const done = state()
      t.not(done, untouched, 'the first has an effect')
      for (const asking of [client, other]) {
        const again = await asking.request(name, request)
        t.equal(JSON.stringify(again['data']), JSON.stringify(first['data']))
        t.match(again, { type: 'result', revision: accounts.store.revision })
      }
      t.equal(state(), done, 'the others have none')
      const known = accounts.store.requests.find(`key of ${name}`, '__superadmin__')
      t.equal(known?.answer, JSON.stringify(first['data']))
    })
  }
})

t.test('an operation that changes nothing, or only the own session, refuses a key by name', async t => {
  const { clients: [client, other] } = await serveAll(t)
  for (const [member, value] of [['idempotencyKey', 'k'], ['revision', true]] as const) {
    const replies: Frame[] = []
    for (const name of others) {
      const asking = name === 'identity.login' ? client : other
      replies.push(await asking.request(name, { ...baseRequests[name], [member]: value }))
    }
    const messages = others.map(name => `${member}: is not taken by ${name}: leave it out`)
    t.same(replies.map(({ message }) => message as string), messages)
    t.same(new Set(replies.map(({ code }) => code as string)), new Set(['VALIDATION_ERROR']))
  }
})
