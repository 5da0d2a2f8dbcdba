import { createHash, randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { NoexService } from '../../lib/service/service.js'
import { resolveOptions } from '../../lib/options/options.js'
import type { NoexStore } from '../../lib/store/noex-store.js'
import { startStore } from '../support/service.js'
import { ADMIN_SECRET } from '../support/identity.js'
import { InProcessClient } from '../support/in-process-client.js'
import { sampled } from '../support/sampled.js'

/** Orders of events that are tried. */
const RUNS = sampled(5_000)

const silent = { trace () {}, debug () {}, info () {}, warn () {}, error () {}, child: () => silent }

/** Actions of a client or the application, in any order; steps of the store take any time. */
const actions = ['login', 'insert', 'update', 'transaction', 'subscribe', 'query', 'elsewhere'] as const
type Action = typeof actions[number]

/** Actions that take the user's right away. */
const revocations = [
  'revokeSession',
  'revokeSessions',
  'identity.disableUser',
  'identity.deleteUser',
  'identity.removeRole',
  'identity.deleteRole',
  'identity.logout'
] as const

t.test('[G-B6] after a revocation has resolved, nothing is pushed or written, in any order of events', {
  timeout: 300_000
}, async t => {
  const store = await startStore(t)
  await store.defineBucket('items', {
    key: 'id',
    schema: { id: { type: 'string', generated: 'uuid' }, by: { type: 'string' } }
  })
  await store.bucket('items').insert({ id: 'shared', by: 'none' })
  store.defineDeclarativeQuery('count', { bucket: 'items', aggregate: { function: 'count' } })

  let step = async (_label: string): Promise<void> => {}
  const writes = { begun: 0, done: 0 }
  const service = await NoexService.start(resolveOptions({
    store: stepping(store, async label => { await step(label) }, writes),
    auth: { builtIn: true, adminSecret: ADMIN_SECRET, maxSessionsPerUser: 10_000 }
  }), { log: silent, address: () => null })
  t.teardown(async () => { await service.close() })
  const root = new InProcessClient(service)
  await root.request('identity.loginWithSecret', { secret: ADMIN_SECRET })

  let runs = 0
  const seen = { pushes: 0, writes: 0 }
  const action = fc.constantFrom(...actions)
  await fc.assert(fc.asyncProperty(
    fc.scheduler(), fc.array(action, { minLength: 1, maxLength: 6 }), fc.constantFrom(...revocations),
    fc.array(action, { minLength: 1, maxLength: 4 }), fc.nat(3),
    async (scheduler, before, revocation, after, turns) => {
      runs++
      step = async () => {}
      const { user, role, token } = await newUser()
      const client = new InProcessClient(service)
      await client.request('auth.login', { token })
      await client.request('store.subscribe', { query: 'count' })
      step = async label => { await scheduler.schedule(Promise.resolve(), label) }

      const perform = (name: Action): void => {
        switch (name) {
          case 'login':
            client.send('auth.login', { token })
            break
          case 'insert':
            client.send('store.insert', { bucket: 'items', data: { by: user } })
            break
          case 'update':
            client.send('store.update', { bucket: 'items', key: 'shared', data: { by: user } })
            break
          case 'transaction':
            client.send('store.transaction', {
              operations: [
                { op: 'get', bucket: 'items', key: 'shared' },
                { op: 'insert', bucket: 'items', data: { by: user } }
              ]
            })
            break
          case 'subscribe':
            client.send('store.subscribe', { query: 'count' })
            break
          case 'query':
            client.send('store.query', { query: 'count' })
            break
          case 'elsewhere':
            store.bucket('items').insert({ by: 'the application' }).catch(() => {})
        }
      }
      for (const name of before) {
        scheduler.schedule(Promise.resolve(), name).then(() => { perform(name) }, () => {})
      }

      const revoked = scheduler.schedule(Promise.resolve(), revocation).then(async () => {
        // So that changes have been pushed, or are about to be.
        for (let turn = 0; turn < turns; turn++) await setImmediate()
        switch (revocation) {
          case 'revokeSession':
            return service.revokeSession(user)
          case 'revokeSessions':
            return service.revokeSessions({ userId: user })
          case 'identity.logout':
            return await client.request(revocation)
          case 'identity.removeRole':
            return await root.request(revocation, { userId: user, roleName: role.name })
          case 'identity.deleteRole':
            return await root.request(revocation, { roleId: role.id })
          default:
            return await root.request(revocation, { userId: user })
        }
      }).then(() => {
        // A write that the store has begun is not taken back; a call that can wait has waited for it.
        const isSynchronous = revocation.startsWith('revoke')
        return { pushes: client.pushes, writes: isSynchronous ? writes.begun : writes.done, isSynchronous }
      })
      revoked.then(() => {
        for (const name of after) if (name !== 'login') perform(name)
      }, () => {})

      // One step, then everything that follows from it: so that steps of different requests really take
      // turns.
      for (let idleTurns = 0; idleTurns < 4;) {
        idleTurns = scheduler.count() === 0 ? idleTurns + 1 : 0
        if (idleTurns === 0) await scheduler.waitOne()
        await setImmediate()
      }
      const then = await revoked
      const late = {
        pushes: client.pushes - then.pushes,
        writes: (then.isSynchronous ? writes.begun : writes.done) - then.writes
      }
      seen.pushes += then.pushes
      seen.writes = writes.done
      step = async () => {}
      client.leave()
      await store.bucket('items').deleteMany({ id: { $neq: 'shared' } })
      if (late.pushes !== 0 || late.writes !== 0) {
        throw new Error(`after ${revocation}: ${JSON.stringify(late)}`)
      }
    }
  ), { numRuns: RUNS })
  t.equal(runs, RUNS)
  t.ok(
    seen.pushes > RUNS / 10 && seen.writes > RUNS / 10,
    `there was something to take away: ${seen.pushes} pushes, ${seen.writes} writes`
  )

  async function newUser () {
    const [user, token, name] = [randomUUID(), randomUUID(), randomUUID()]
    const { id } = await store
      .bucket('_roles')
      .insert({ name, permissions: [{ allow: 'store.*', buckets: ['items'] }] })
    await store.bucket('_users').insert({ id: user, username: user, passwordHash: 'none' })
    await store.bucket('_user_roles').insert({ userId: user, roleId: id })
    await store
      .bucket('_sessions')
      .insert({
        id: createHash('sha256').update(token).digest('hex'),
        userId: user,
        expiresAt: Date.now() + 3_600_000
      })
    return { user, token, role: { id: String(id), name } }
  }
})

/**
 * The store as the service sees it: each write and each query takes a step first. Counts what clients write.
 */
function stepping (
  store: NoexStore,
  step: (label: string) => Promise<void>,
  writes: { begun: number, done: number }
): NoexStore {
  const methods = [
    'hasBucket', 'getBucketSchema', 'fieldsOf', 'defineBucket', 'dropBucket', 'updateBucket',
    'defineDeclarativeQuery', 'undefineQuery', 'getQueries', 'getQueryInfo', 'keyOf', 'on', 'onCommit',
    'onDurable', 'getStats', 'beginRead', 'onDurabilityChange', 'rememberRequest'
  ] as const
  const slow = {
    [Symbol.for('noex.store')]: 1,
    get bucketNames () { return store.bucketNames },
    get revision () { return store.revision },
    get durability () { return store.durability },
    get incompleteBuckets () { return store.incompleteBuckets },
    get epoch () { return store.epoch },
    get views () { return store.views },
    get changedKeys () { return store.changedKeys },
    get requests () { return store.requests },
    ...Object.fromEntries(methods.map(name => [name, store[name].bind(store)]))
  } as unknown as NoexStore
  const counted = async <T>(label: string, work: () => Promise<T>, isClients: boolean): Promise<T> => {
    if (isClients) writes.begun++
    await step(label)
    const result = await work()
    if (isClients) writes.done++
    return result
  }
  return Object.assign(slow, {
    bucket (...[name, access]: Parameters<NoexStore['bucket']>) {
      const handle = store.bucket(name, access)
      return new Proxy(handle, {
        get (target, member) {
          const value: unknown = Reflect.get(target, member)
          if (typeof value !== 'function') return value
          const method = value.bind(target) as (...args: unknown[]) => Promise<unknown>
          if (!['insert', 'update'].includes(String(member)) || name !== 'items') return method
          return async (...args: unknown[]) =>
            await counted(`${String(member)} ${name}`, async () => await method(...args), true)
        }
      })
    },
    async transaction (work: Parameters<NoexStore['transaction']>[0]) {
      let isClients = false
      return await store.transaction(async tx => {
        const open = tx.bucket.bind(tx)
        tx.bucket = async name => {
          isClients ||= name === 'items'
          return await open(name)
        }
        const result = await work(tx)
        if (isClients) writes.begun++
        await step('commit')
        return result
      }).then(result => {
        if (isClients) writes.done++
        return result
      })
    },
    async runQuery (...args: Parameters<NoexStore['runQuery']>) {
      await step('query')
      return await store.runQuery(...args)
    }
  })
}
