import t from 'tap'
import type { PermissionConfig } from '../../../lib/index.js'
import type { ProcedureDefinition } from '../../../lib/procedures/procedure.js'
import type { TestClient } from '../../support/client.js'
import { FakeRuleEngine } from '../../support/fake-rule-engine.js'
import { serve } from '../../support/service.js'
import { serveAccounts, type Accounts } from '../../support/identity.js'
import { Barrier } from '../../support/barrier.js'
import {
  addItem,
  addAsOwner,
  callProcedure,
  grantProcedure,
  listItems,
  createRole
} from '../../support/procedure-permissions.js'

/** A user who may write and has registered `add-as-owner`, and one who may only call it. */
async function serveAsOwner (
  t: Parameters<typeof serveAccounts>[0],
  transaction = false
): Promise<
  Accounts & {
    readonly root: TestClient
    readonly ownerId: string
    readonly owner: TestClient
    readonly callerId: string
    readonly caller: TestClient
  }
> {
  const accounts = await serveAccounts(t)
  const root = await accounts.superadmin()
  await createRole(root, 'developer', { allow: ['store.*', 'procedures.*'] })
  const ownerId = await accounts.user('owen', 'developer')
  const owner = await accounts.as(ownerId)
  await owner.ask('procedures.register', { procedure: { ...addAsOwner, transaction } })
  const callerId = await accounts.user('carl')
  await grantProcedure(root, callerId, 'add-as-owner', 'write')
  return { ...accounts, root, ownerId, owner, callerId, caller: await accounts.as(callerId) }
}

t.test('[G-C5] a procedure that runs as its owner', async t => {
  for (const transaction of [false, true]) {
    t.test(
      `has the rights of the owner, as they are when it runs${transaction ? ', in a transaction' : ''}`,
      async t => {
        const { root, caller, ownerId, store } = await serveAsOwner(t, transaction)
        t.match(await callProcedure(caller, 'add-as-owner', { id: '1' }), {
          data: { results: { item: { id: '1' } } }
        })
        t.equal(
          await caller.code('store.insert', { bucket: 'items', data: {} }),
          'FORBIDDEN',
          'which the caller has not'
        )
        await root.ask('identity.removeRole', { userId: ownerId, roleName: 'developer' })
        t.match(await callProcedure(caller, 'add-as-owner', { id: '2' }), {
          code: 'FORBIDDEN',
          message: /^steps\[0\]: No permission for store\./
        })
        await root.ask('identity.assignRole', { userId: ownerId, roleName: 'developer' })
        await root.ask('identity.disableUser', { userId: ownerId })
        t.match(await callProcedure(caller, 'add-as-owner', { id: '2' }), {
          code: 'FORBIDDEN',
          message: /disabled/
        })
        await root.ask('identity.enableUser', { userId: ownerId })
        t.match(await callProcedure(caller, 'add-as-owner', { id: '3' }), { data: { success: true } })
        await root.ask('identity.deleteUser', { userId: ownerId })
        t.match(await callProcedure(caller, 'add-as-owner', { id: '4' }), { code: 'FORBIDDEN' })
        t.same((await store.bucket('items').all()).map(({ id }) => id), ['1', '3'])
      }
    )
  }

  t.test('has the row filter of the owner', async t => {
    const { superadmin, user, as, store } = await serveAccounts(t)
    const root = await superadmin()
    await store.bucket('items').insertMany([{ id: 'a', name: 'x' }, { id: 'b', name: 'y' }])
    await createRole(root, 'of x', { allow: ['store.*'], where: { name: 'x' } }, { allow: 'procedures.*' })
    await (
      await as(await user('xena', 'of x'))
    ).ask('procedures.register', { procedure: { ...listItems, runAs: 'owner' } })
    const id = await user('carl', 'reader')
    await grantProcedure(root, id, 'list', 'write')
    t.match(await callProcedure(await as(id), 'list'), { data: { result: ['a'] } })
  })

  t.test('ends when its caller may not call it any more', async t => {
    const engine = new FakeRuleEngine()
    const { superadmin, user, as, store } = await serveAccounts(t, {}, { rules: engine })
    const root = await superadmin()
    await root.ask('procedures.register', {
      procedure: {
        name: 'slow',
        runAs: 'owner',
        steps: [{ action: 'rules.emit', topic: 'wait' }, ...addItem.steps]
      }
    })
    const id = await user('carl')
    await grantProcedure(root, id, 'slow', 'write')
    const barrier = new Barrier()
    engine.onEmit = async () => { await barrier.pass() }
    const calling = callProcedure(await as(id), 'slow', { id: '1' })
    await barrier.held()
    await root.ask('identity.revoke', {
      subjectType: 'user',
      subjectId: id,
      resourceType: 'procedure',
      resourceName: 'slow',
      operations: ['write']
    })
    barrier.open()
    t.match(await calling, { code: 'FORBIDDEN', message: /procedures\.call on slow/ })
    t.equal(await store.bucket('items').count(), 0)
  })

  t.test('is changed by its owner and by superadmins only, who speak for the owner', async t => {
    const { root, owner, callerId, caller, login } = await serveAsOwner(t)
    const anna = await login('anna', 'admin')
    await grantProcedure(root, callerId, 'add-as-owner', 'admin')
    for (const client of [anna, caller]) {
      for (const updates of [{ description: 'x' }, { steps: listItems.steps }, { runAs: 'caller' }]) {
        t.equal(
          await client.code('procedures.update', { name: 'add-as-owner', updates }),
          'FORBIDDEN',
          JSON.stringify(updates)
        )
      }
    }
    await root.ask('procedures.update', { name: 'add-as-owner', updates: { steps: listItems.steps } })
    t.match(await callProcedure(caller, 'add-as-owner'), { data: { result: [] } })
    await owner.ask('procedures.update', { name: 'add-as-owner', updates: { steps: addItem.steps } })
    t.match(await callProcedure(caller, 'add-as-owner', { id: '1' }), { data: { success: true } })
  })

  t.test('is not made of another one by a user who may only change that', async t => {
    const { root, callerId, caller, owner, user, as } = await serveAsOwner(t)
    await owner.ask('procedures.register', { procedure: { ...addItem, name: 'plain' } })
    await grantProcedure(root, callerId, 'plain', 'admin', 'write')
    t.equal(
      await caller.code('procedures.update', { name: 'plain', updates: { runAs: 'owner' } }),
      'FORBIDDEN'
    )
    await caller.ask('procedures.update', {
      name: 'plain',
      updates: { steps: [{ action: 'store.delete', bucket: 'items', key: 'x' }] }
    })
    await owner.ask('procedures.update', { name: 'plain', updates: { runAs: 'owner' } })
    t.match(
      await callProcedure(caller, 'plain'),
      { code: 'FORBIDDEN', message: /agreed/ },
      'the owner has not written these steps'
    )
    await owner.ask('procedures.update', { name: 'plain', updates: { steps: addItem.steps } })
    t.match(await callProcedure(caller, 'plain', { id: '1' }), { data: { success: true } })
    t.match(await callProcedure(await as(await user('will', 'writer')), 'plain', { id: '2' }), {
      data: { success: true }
    })
  })

  t.test('does not run as a user who was only made its owner', async t => {
    const { root, owner, caller, user, as } = await serveAsOwner(t)
    const heirId = await user('hera', 'superadmin')
    await owner.ask('identity.transferOwner', {
      resourceType: 'procedure',
      resourceName: 'add-as-owner',
      newOwnerId: heirId
    })
    t.match(await callProcedure(caller, 'add-as-owner', { id: '1' }), {
      code: 'FORBIDDEN',
      message: /agreed/
    })
    const heir = await as(heirId)
    await heir.ask('procedures.update', { name: 'add-as-owner', updates: { description: 'mine now' } })
    t.match(
      await callProcedure(caller, 'add-as-owner', { id: '1' }),
      { code: 'FORBIDDEN' },
      'a word about it is no consent to its steps'
    )
    await heir.ask('procedures.update', { name: 'add-as-owner', updates: { steps: addItem.steps } })
    t.match(await callProcedure(caller, 'add-as-owner', { id: '1' }), { data: { success: true } })
    await root.ask('identity.transferOwner', {
      resourceType: 'procedure',
      resourceName: 'add-as-owner',
      newOwnerId: await user('mallory')
    })
    t.match(await callProcedure(caller, 'add-as-owner', { id: '2' }), { code: 'FORBIDDEN' })
  })

  t.test('has no owner on an instance without accounts', async t => {
    const { store, root } = await serveAsOwner(t)
    const bare = await serve(t, {}, { store })
    const client = await bare.connect()
    t.match(await callProcedure(client, 'add-as-owner', { id: '1' }), { code: 'FORBIDDEN' })
    t.equal(
      await client.code('procedures.update', { name: 'add-as-owner', updates: { steps: listItems.steps } }),
      'VALIDATION_ERROR'
    )
    t.equal(
      await client.code('procedures.update', { name: 'add-as-owner', updates: { runAs: 'caller' } }),
      'FORBIDDEN'
    )
    t.equal(await root.ask('store.count', { bucket: 'items' }), 0)
  })

  t.test('survives a restart with its owner', async t => {
    const { store, app, callerId } = await serveAsOwner(t)
    await app.close()
    const { as } = await serveAccounts(t, {}, {}, { store })
    t.match(await callProcedure(await as(callerId), 'add-as-owner', { id: '1' }), { data: { success: true } })
  })
})

t.test('a procedure of the options', async t => {
  const definitions: readonly ProcedureDefinition[] = [
    { ...addItem, name: 'free', runAs: 'owner' },
    { ...addItem, name: 'bound' }
  ]

  t.test('runs as the application, which may do everything but what is the server’s own', async t => {
    const { superadmin, user, as, store } = await serveAccounts(t, {}, { procedures: { definitions } })
    const root = await superadmin()
    const id = await user('carl')
    await grantProcedure(root, id, 'free', 'write')
    await grantProcedure(root, id, 'bound', 'write')
    const client = await as(id)
    t.match(await callProcedure(client, 'free', { id: '1' }), { data: { results: { item: { id: '1' } } } })
    t.match(await callProcedure(client, 'bound', { id: '2' }), { code: 'FORBIDDEN', message: /^steps\[0\]/ })
    t.match(await root.ask('identity.getOwner', { resourceType: 'procedure', resourceName: 'free' }), {
      owner: null
    })
    t.equal(await root.code('procedures.update', { name: 'free', updates: {} }), 'FORBIDDEN')
    t.equal(await root.code('procedures.unregister', { name: 'free' }), 'FORBIDDEN')
    t.same((await store.bucket('items').all()).map(({ id }) => id), ['1'])
  })

  t.test('is not started on a system bucket', async t => {
    for (const runAs of ['owner', 'caller'] as const) {
      await t.rejects(
        serveAccounts(
          t,
          {},
          {
            procedures: {
              definitions: [
                {
                  name: 'spy',
                  runAs,
                  steps: [{ action: 'store.where', bucket: '_users', filter: {}, as: 'x' }]
                }
              ]
            }
          }
        ),
        { name: 'NoexOptionsError', path: 'procedures.definitions[0].steps[0].bucket' }
      )
    }
  })

  t.test('does not belong to the user who had registered one of its name', async t => {
    const { store, app, user, as } = await serveAccounts(t)
    await (
      await as(await user('olga', 'admin'))
    ).ask('procedures.register', { procedure: { ...addItem, name: 'free' } })
    const id = await user('paul')
    await store
      .bucket('_acl')
      .insert({
        subjectType: 'user',
        subjectId: id,
        resourceType: 'procedure',
        resourceName: 'free',
        operations: ['write']
      })
    await app.close()
    const { superadmin, as: asAgain } = await serveAccounts(t, {}, { procedures: { definitions } }, { store })
    const root = await superadmin()
    t.match(await root.ask('identity.getOwner', { resourceType: 'procedure', resourceName: 'free' }), {
      owner: null
    })
    t.match(await callProcedure(await asAgain(id), 'free', { id: '1' }), { code: 'FORBIDDEN' })
  })

  t.test('is called by the tier and the permissions of external authentication', async t => {
    const session = (token: string): { userId: string, roles: string[] } => ({
      userId: token,
      roles: [token]
    })
    const asked: string[] = []
    const permissions: PermissionConfig = {
      rules: [{ role: 'writer', allow: 'procedures.call' }],
      default: 'deny',
      check: (_session, operation, resource) => {
        asked.push(`${operation} ${resource}`)
        return undefined
      }
    }
    const { connect } = await serve(t, {
      procedures: { definitions },
      auth: { validate: async token => session(token), permissions }
    })
    const as = async (token: string): Promise<TestClient> => {
      const client = await connect()
      await client.ask('auth.login', { token })
      return client
    }
    const writer = await as('writer')
    t.match(await callProcedure(writer, 'free', { id: '1' }), { data: { success: true } })
    t.match(await callProcedure(writer, 'bound', { id: '2' }), {
      code: 'FORBIDDEN',
      message: 'steps[0]: No permission for store.insert on items'
    })
    t.match(await callProcedure(await as('reader'), 'free', { id: '3' }), {
      code: 'FORBIDDEN',
      message: /requires write/
    })
    t.ok(asked.includes('procedures.call free'), 'a check sees the name')
    t.equal(
      await (await as('admin')).code('procedures.register', { procedure: { ...addItem, runAs: 'owner' } }),
      'FORBIDDEN'
    )
    const { connect: connectOpen } = await serve(t, { auth: { validate: async token => session(token) } })
    const admin = await connectOpen()
    await admin.ask('auth.login', { token: 'admin' })
    t.equal(
      await admin.code('procedures.register', { procedure: { ...addItem, runAs: 'owner' } }),
      'VALIDATION_ERROR'
    )
    t.match(await admin.ask('procedures.register', { procedure: addItem }), { registered: true })
  })
})
