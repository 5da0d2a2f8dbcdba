import { RuleEngine } from '@hamicek/noex-rules'
import type { Commit } from '@hamicek/noex-store'
import t, { type Test } from 'tap'
import { baseRequests } from '../support/base-requests.js'
import type { TestClient } from '../support/client.js'
import { serve } from '../support/service.js'
import { ADMIN_SECRET, PASSWORD, serveAccounts, type Accounts } from '../support/identity.js'
import { operations } from '../../lib/operations/registry.js'

const SUPERADMIN = '__superadmin__'

interface Setting extends Accounts {
  readonly client: TestClient
  readonly commits: Commit[]
}

/** A superadmin, and every commit from now on. Each request of `baseRequests` finds something to do. */
async function serveRecorded (t: Test): Promise<Setting> {
  const rules = await RuleEngine.start()
  t.teardown(async () => { await rules.stop() })
  const served = await serveAccounts(t, {}, { rules, audit: {} })
  const { store } = served
  for (const id of ['alice', 'bob']) {
    await store.bucket('_users').insert({ id, username: `${id} of the tests`, passwordHash: 'none' })
  }
  await store.defineBucket('scratch', { key: 'id', schema: { id: { type: 'string', generated: 'uuid' } } })
  await store.bucket('items').insertMany(['taken', 'other'].map(id => ({ id, name: 'x', n: 1 })))
  await store.bucket('scratch').insert({})
  store.defineDeclarativeQuery('named', { bucket: 'items', filter: { name: '{{ params.name }}' } })
  const client = await served.superadmin()
  const config = { key: 'id', schema: { id: { type: 'string' } } }
  await client.ask('store.defineBucket', { name: 'dropped', config })
  await client.ask('store.defineQuery', { name: 'gone', config: { bucket: 'items' } })
  const steps = [{ action: 'store.insert', bucket: 'items', data: { name: 'y' } }]
  for (const name of ['kept', 'leaving']) {
    await client.ask('procedures.register', { procedure: { name, steps } })
  }
  const commits: Commit[] = []
  store.onCommit(commit => { commits.push(commit) })
  return { ...served, client, commits }
}

/** Requests that write, where those of `baseRequests` do not. */
const writing: Readonly<Record<string, (setting: Setting) => Promise<object>>> = {
  'store.transaction': async () => ({ operations: [{ op: 'insert', bucket: 'items', data: {} }] }),
  'store.dropBucket': async () => ({ name: 'dropped' }),
  'store.updateBucket': async () => ({ name: 'scratch', updates: { addFields: { a: { type: 'string' } } } }),
  'store.undefineQuery': async () => ({ name: 'gone' }),
  'procedures.unregister': async () => ({ name: 'leaving' }),
  'procedures.call': async () => ({ name: 'kept' }),
  'server.revoke': async ({ token }) => {
    await token('alice')
    return { userId: 'alice' }
  },
  'auth.login': async ({ token }) => ({ token: await token('alice') }),
  'identity.login': async ({ user }) => {
    await user('walter')
    return { username: 'walter', password: PASSWORD }
  },
  'identity.loginWithSecret': async () => ({ secret: ADMIN_SECRET }),
  'identity.createUser': async () => ({ username: 'alfred', password: 'a long password' }),
  'identity.enableUser': async ({ store }) => {
    await store.bucket('_users').update('alice', { enabled: false })
    return { userId: 'alice' }
  },
  'identity.assignRole': async ({ store }) => {
    await store.bucket('_roles').upsert({ id: 'reading', name: 'reading', permissions: [], system: false })
    return { userId: 'alice', roleName: 'reading' }
  },
  'identity.removeRole': async ({ store }) => {
    await store.bucket('_roles').insert({ id: 'leaving', name: 'leaving', permissions: [], system: false })
    await store.bucket('_user_roles').insert({ userId: 'bob', roleId: 'leaving' })
    return { userId: 'bob', roleName: 'leaving' }
  },
  'identity.updateRole': async ({ store }) => {
    await store.bucket('_roles').upsert({ id: 'reading', name: 'reading', permissions: [], system: false })
    return { roleId: 'reading', description: 'x' }
  },
  'identity.deleteRole': async ({ store }) => {
    await store.bucket('_roles').insert({ id: 'short', name: 'short', permissions: [], system: false })
    return { roleId: 'short' }
  },
  'identity.revoke': async ({ store }) => {
    const resource = { resourceType: 'bucket', resourceName: 'items' }
    const subject = { subjectType: 'user', subjectId: 'bob' }
    await store.bucket('_acl').insert({ ...resource, ...subject, operations: ['read'] })
    return { ...resource, ...subject, operations: ['read'] }
  },
  'identity.transferOwner': async ({ store }) => {
    const resource = { resourceType: 'bucket', resourceName: 'items' }
    await store.bucket('_resource_owners').insert({ ...resource, userId: 'bob' })
    return { ...resource, newOwnerId: 'alice' }
  }
}

/** Operations of these tiers that leave the store as it is. */
const writesNothing = new Set([
  'store.getBucketSchema', 'store.listQueries', 'auth.login', 'auth.whoami', 'audit.query', 'identity.whoami',
  'identity.getUser', 'identity.listUsers', 'identity.getUserRoles', 'identity.listRoles', 'identity.getAcl',
  'identity.myAccess', 'identity.getOwner', 'server.stats', 'server.connections', 'procedures.get',
  'server.connection', 'server.refusals', 'server.queries', 'server.close', 'server.drain',
  'procedures.list', 'store.subscribe', 'store.unsubscribe', 'store.query', 'identity.changePassword'
])

const isOfRules = (name: string): boolean => name.startsWith('rules.')

t.test('Every operation that writes names its user in its commits', async t => {
  for (const [name, { tier }] of operations) {
    if (isOfRules(name) || tier === 'read') continue
    const setting = await serveRecorded(t)
    const { client, commits, connect } = setting
    const fields = await writing[name]?.(setting) ?? baseRequests[name] ?? {}
    const asker = /^identity\.login/.test(name) ? await connect() : client
    commits.length = 0
    const reply = await asker.request(name, fields)
    if (writesNothing.has(name)) {
      t.same(commits, [], `${name} writes nothing`)
      continue
    }
    t.equal(reply['type'], 'result', `${name}: ${JSON.stringify(reply)}`)
    t.not(commits.length, 0, `${name} writes`)
    const expected = name === 'identity.login' ? reply['data'].user.id : SUPERADMIN
    t.same([...new Set(commits.map(({ user }) => user))], [expected], name)
  }
})

t.test('A password that is changed names its user', async t => {
  const { client, commits, connect } = await serveRecorded(t)
  const { id } = await client.ask('identity.createUser', { username: 'walter', password: PASSWORD })
  const walter = await connect()
  await walter.ask('identity.login', { username: 'walter', password: PASSWORD })
  commits.length = 0
  const passwords = { currentPassword: PASSWORD, newPassword: 'another long password' }
  await walter.ask('identity.changePassword', { userId: id, ...passwords })
  t.same([...new Set(commits.map(({ user }) => user))], [id])
})

t.test('The commits of a procedure name its caller, not its owner', async t => {
  const { client, commits, login } = await serveRecorded(t)
  const steps = [
    { action: 'store.insert', bucket: 'items', data: { name: 'y' } },
    { action: 'store.update', bucket: 'items', key: 'taken', data: { n: 2 } }
  ]
  const names = ['direct', 'whole of the owner']
  for (const name of names) {
    const procedure = { name, runAs: 'owner', transaction: name !== 'direct', steps }
    await client.ask('procedures.register', { procedure })
  }
  const caller = await login('carol', 'writer')
  const { userId } = await caller.ask('identity.whoami')
  for (const name of names) {
    commits.length = 0
    await caller.ask('procedures.call', { name })
    t.same(commits.map(({ user }) => user), name === 'direct' ? [userId, userId] : [userId], name)
  }
})

t.test('Without a session a commit names no user', async t => {
  const { client, store } = await withoutAccounts(t)
  const users: unknown[] = []
  store.onCommit(commit => { users.push('user' in commit) })
  await client.ask('store.insert', { bucket: 'items', data: {} })
  await client.ask('store.transaction', { operations: [{ op: 'insert', bucket: 'items', data: {} }] })
  await client.ask('store.defineQuery', { name: 'fresh', config: { bucket: 'items' } })
  t.same(users, [false, false, false])
})

async function withoutAccounts (t: Test): Promise<{
  readonly client: TestClient, readonly store: Accounts['store']
}> {
  const { connect, store } = await serve(t)
  return { client: await connect(), store }
}
