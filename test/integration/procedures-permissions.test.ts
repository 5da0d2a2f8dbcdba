import t from 'tap'
import type { PermissionConfig } from '../../lib/index.js'
import type { ProcedureDefinition } from '../../lib/procedures/procedure.js'
import type { TestClient } from '../support/client.js'
import { FakeRuleEngine } from '../support/fake-rule-engine.js'
import { serve } from '../support/service.js'
import { serveAccounts, type Accounts } from '../support/identity.js'
import { Barrier } from '../support/barrier.js'

const add: ProcedureDefinition = {
  name: 'add',
  steps: [{ action: 'store.insert', bucket: 'items', data: { id: '{{ input.id }}' }, as: 'item' }]
}
const list: ProcedureDefinition = {
  name: 'list',
  steps: [
    { action: 'store.where', bucket: 'items', filter: {}, as: 'items' },
    { action: 'transform', source: 'items', operation: 'pluck', args: 'id', as: 'ids' },
    { action: 'return', value: '{{ ids }}' }
  ]
}

/** Gives a user access to a procedure. */
async function grant (
  root: TestClient,
  subjectId: string,
  resourceName: string,
  ...operations: string[]
): Promise<void> {
  await root.ask('identity.grant', {
    subjectType: 'user',
    subjectId,
    resourceType: 'procedure',
    resourceName,
    operations
  })
}

/** Adds a role with these permissions. */
async function role (root: TestClient, name: string, ...permissions: object[]): Promise<void> {
  await root.ask('identity.createRole', { name, permissions })
}

const call = async (client: TestClient, name: string, input: object = {}): Promise<any> =>
  await client.request('procedures.call', { name, input })

t.test('[G-C5] with accounts, a procedure is a resource', async t => {
  const { superadmin, user, as, login, store } = await serveAccounts(t)
  const root = await superadmin()
  await root.ask('procedures.register', { procedure: list })
  await root.ask('procedures.register', { procedure: add })

  t.test('that roles allow by the operation, as far as they go', async t => {
    const codes = async (client: TestClient): Promise<Array<string | undefined>> => {
      const replies = [
        await client.request('procedures.get', { name: 'list' }),
        await call(client, 'list'),
        await client.request('procedures.list'),
        await client.request('procedures.register', { procedure: add }),
        await client.request('procedures.update', { name: 'list', updates: { description: 'x' } })
      ]
      return replies.map(({ code }) => code)
    }
    t.same(await codes(await login('anna', 'admin')), [
      undefined,
      undefined,
      undefined,
      'ALREADY_EXISTS',
      undefined
    ])
    t.same(await codes(await login('will', 'writer')), [
      undefined,
      undefined,
      'FORBIDDEN',
      'FORBIDDEN',
      'FORBIDDEN'
    ])
    t.same(await codes(await login('rita', 'reader')), [
      undefined,
      'FORBIDDEN',
      'FORBIDDEN',
      'FORBIDDEN',
      'FORBIDDEN'
    ])
    t.same(await codes(await login('nobody')), [
      'FORBIDDEN',
      'FORBIDDEN',
      'FORBIDDEN',
      'FORBIDDEN',
      'FORBIDDEN'
    ])
    t.same(await codes(root), [undefined, undefined, undefined, 'ALREADY_EXISTS', undefined])
  })

  t.test('that access lists open one by one', async t => {
    const id = await user('paul', 'reader')
    await grant(root, id, 'list', 'write')
    const client = await as(id)
    t.match(await call(client, 'list'), { data: { result: [] } })
    t.match(await call(client, 'add', { id: '1' }), {
      code: 'FORBIDDEN',
      message: 'No permission for procedures.call on add'
    })
    t.equal(await client.code('procedures.update', { name: 'list', updates: {} }), 'FORBIDDEN')
    await grant(root, id, 'list', 'admin')
    await client.ask('procedures.update', { name: 'list', updates: { description: 'by paul' } })
    t.equal(await client.code('procedures.list'), 'FORBIDDEN', 'the list of all is no single procedure')
  })

  t.test('that whoever registers it owns, until it is gone', async t => {
    await role(root, 'registrar', { allow: 'procedures.register' })
    const id = await user('olga', 'registrar')
    const client = await as(id)
    await client.ask('procedures.register', { procedure: { ...add, name: 'mine' } })
    t.match(await root.ask('identity.getOwner', { resourceType: 'procedure', resourceName: 'mine' }), {
      owner: { userId: id }
    })
    await client.ask('procedures.update', {
      name: 'mine',
      updates: { steps: [{ action: 'return', value: 'mine' }] }
    })
    t.match(await call(client, 'mine'), { data: { result: 'mine' } })
    await grant(root, await user('piet'), 'mine', 'write')
    await client.ask('procedures.unregister', { name: 'mine' })
    t.match(await root.ask('identity.getOwner', { resourceType: 'procedure', resourceName: 'mine' }), {
      owner: null
    })
    t.same(await root.ask('identity.getAcl', { resourceType: 'procedure', resourceName: 'mine' }), {
      entries: []
    })
  })

  t.test('that is not there when its owner cannot be written down', async t => {
    const transaction = store.transaction.bind(store)
    store.transaction = async () => { throw new Error('the disk is full') }
    t.equal(
      await root.code('procedures.register', { procedure: { ...add, name: 'nobody' } }),
      'INTERNAL_ERROR'
    )
    store.transaction = transaction
    t.equal(await root.code('procedures.get', { name: 'nobody' }), 'NOT_FOUND')
    t.equal(await store.bucket('_procedures').get('nobody'), undefined)
  })

  t.test('whose next owner is whoever registers it next', async t => {
    await store
      .bucket('_resource_owners')
      .insert({ userId: await user('late', 'reader'), resourceType: 'procedure', resourceName: 'again' })
    await root.ask('procedures.register', { procedure: { ...add, name: 'again' } })
    t.match(await root.ask('identity.getOwner', { resourceType: 'procedure', resourceName: 'again' }), {
      owner: { userId: '__superadmin__' }
    })
  })
})

t.test('steps have the rights of the caller', async t => {
  const engine = new FakeRuleEngine()
  const { superadmin, user, as, store } = await serveAccounts(t, {}, { rules: engine })
  const root = await superadmin()
  await root.ask('procedures.register', { procedure: add })
  await root.ask('procedures.register', { procedure: list })

  t.test('a reader who may call it does not insert', async t => {
    const id = await user('rita', 'reader')
    await grant(root, id, 'add', 'write')
    const client = await as(id)
    t.match(await call(client, 'add', { id: 'x' }), {
      code: 'FORBIDDEN',
      message: 'steps[0]: No permission for store.insert on items'
    })
    t.equal(await store.bucket('items').count(), 0)
  })

  t.test('each step is looked at when its turn comes', async t => {
    await root.ask('procedures.register', {
      procedure: {
        name: 'mixed',
        steps: [
          { action: 'store.count', bucket: 'items', as: 'n' },
          { action: 'if', condition: { ref: 'input.write', operator: 'exists' }, then: add.steps }
        ]
      }
    })
    const id = await user('mia', 'reader')
    await grant(root, id, 'mixed', 'write')
    const client = await as(id)
    t.match(await call(client, 'mixed'), { data: { results: { n: 0 } } }, 'what is not run takes no right')
    t.match(await call(client, 'mixed', { write: true }), {
      code: 'FORBIDDEN',
      message: /^steps\[1\]\.then\[0\]: /
    })
  })

  t.test('row filters hold, in a transaction too', async t => {
    await store.bucket('items').insertMany([{ id: 'mine', name: 'theo' }, { id: 'other', name: 'somebody' }])
    const steps = [
      { action: 'store.where', bucket: 'items', filter: {}, as: 'all' },
      { action: 'store.count', bucket: 'items', as: 'count' },
      { action: 'store.get', bucket: 'items', key: 'other', as: 'other' }
    ]
    await role(
      root,
      'own items',
      { allow: ['store.*'], buckets: ['items'], where: { name: 'theo' } },
      { allow: 'procedures.call' }
    )
    const client = await as(await user('theo', 'own items'))
    for (const transaction of [false, true]) {
      await root.ask('procedures.register', {
        procedure: { name: `read ${transaction}`, steps, transaction }
      })
      t.match(await call(client, `read ${transaction}`), {
        data: { results: { all: [{ id: 'mine' }], count: 1, other: null } }
      })
      const write = { action: 'store.update', bucket: 'items', key: 'other', data: { n: 1 } }
      await root.ask('procedures.register', {
        procedure: { name: `write ${transaction}`, steps: [write], transaction }
      })
      t.match(await call(client, `write ${transaction}`), { code: 'FORBIDDEN' })
    }
    t.equal((await store.bucket('items').get('other'))?.['n'], undefined)
  })

  t.test('a transaction takes the right to one, and to each operation', async t => {
    await root.ask('procedures.register', { procedure: { ...add, name: 'add at once', transaction: true } })
    await role(root, 'inserter', { allow: ['store.insert', 'procedures.call'] })
    await role(root, 'transactor', { allow: ['store.transaction', 'procedures.call'] })
    for (const name of ['inserter', 'transactor']) {
      t.match(
        await call(await as(await user(name, name)), 'add at once', { id: 'y' }),
        { code: 'FORBIDDEN', message: /^steps\[0\]: / },
        name
      )
    }
    t.match(await call(await as(await user('both', 'inserter', 'transactor')), 'add at once', { id: 'y' }), {
      data: { success: true }
    })
  })

  t.test('so does what the rule engine is told and asked, before a transaction is written', async t => {
    await role(
      root,
      'teller',
      { allow: ['store.*', 'procedures.call'] },
      { allow: ['rules.emit', 'rules.getFact'], topics: ['ok.*'] }
    )
    const client = await as(await user('tess', 'teller'))
    for (const transaction of [false, true]) {
      const name = `tell ${transaction}`
      await root.ask('procedures.register', {
        procedure: {
          name,
          transaction,
          steps: [
            { action: 'store.insert', bucket: 'items', data: { id: `${name} {{ input.topic }}` } },
            { action: 'rules.emit', topic: '{{ input.topic }}' }
          ]
        }
      })
      t.match(await call(client, name, { topic: 'ok.x' }), { data: { success: true } })
      t.match(await call(client, name, { topic: 'secret' }), {
        code: 'FORBIDDEN',
        message: /^steps\[1\]: .*rules\.emit on secret/
      })
    }
    t.notOk(engine.emitted.includes('secret'))
    t.equal(await store.bucket('items').get('tell true secret'), undefined)
    await root.ask('procedures.register', {
      procedure: { name: 'ask', steps: [{ action: 'rules.getFact', key: '{{ input.key }}', as: 'fact' }] }
    })
    t.match(await call(client, 'ask', { key: 'secret' }), { code: 'FORBIDDEN' })
  })

  t.test('a right that is lost on the way ends it', async t => {
    await root.ask('procedures.register', {
      procedure: {
        name: 'slow',
        steps: [
          { action: 'store.where', bucket: 'items', filter: {}, as: 'items' },
          { action: 'rules.emit', topic: 'wait' },
          { action: 'store.insert', bucket: 'items', data: { id: 'late' } }
        ]
      }
    })
    const turnstile = new Barrier()
    engine.onEmit = async () => { await turnstile.pass() }
    const id = await user('lena', 'writer')
    const client = await as(id)
    const calling = call(client, 'slow')
    await turnstile.held()
    await root.ask('identity.removeRole', { userId: id, roleName: 'writer' })
    turnstile.open()
    t.match(await calling, { code: 'FORBIDDEN', message: /^steps\[2\]: / })
    t.equal(await store.bucket('items').get('late'), undefined)
  })

  t.test('and what was read is not told to whoever may not see it any more', async t => {
    await root.ask('procedures.register', {
      procedure: {
        name: 'last',
        steps: [
          { action: 'store.where', bucket: 'items', filter: {}, as: 'items' },
          { action: 'rules.emit', topic: 'wait' }
        ]
      }
    })
    await role(root, 'caller', { allow: ['procedures.call', 'rules.*'] })
    for (const transaction of [false, true]) {
      await root.ask('procedures.update', { name: 'last', updates: { transaction } })
      const turnstile = new Barrier()
      engine.onEmit = async () => { await turnstile.pass() }
      const id = await user(`leni ${transaction}`, 'writer', 'caller')
      const calling = call(await as(id), 'last')
      await turnstile.held()
      await root.ask('identity.removeRole', { userId: id, roleName: 'writer' })
      turnstile.open()
      t.match(await calling, {
        type: 'error',
        code: 'FORBIDDEN',
        ...(transaction && { details: { applied: true } })
      })
    }
  })
})

t.test('[G-C3] no step touches what is the server’s own, whoever calls it', async t => {
  const { superadmin, login, store } = await serveAccounts(t)
  const root = await superadmin()
  const anna = await login('anna', 'admin')
  for (const bucket of ['_users', '_sessions', '_user_roles', '_procedures', '_anything']) {
    for (const [client, runAs] of [[root, 'caller'], [anna, 'owner']] as const) {
      const steps = [
        {
          action: 'if',
          condition: { ref: 'x', operator: 'exists' },
          then: [{ action: 'return', value: 1 }],
          else: [{ action: 'store.where', bucket, filter: {}, as: 'x' }]
        }
      ]
      t.match(await client.request('procedures.register', { procedure: { name: 'spy', steps, runAs } }), {
        code: 'FORBIDDEN',
        message: /^steps\[0\]\.else\[0\]\.bucket: .*system bucket/
      })
    }
    for (const transaction of [false, true]) {
      await store
        .bucket('_procedures')
        .insert({
          name: 'planted',
          definition: {
            name: 'planted',
            transaction,
            steps: [{ action: 'store.where', bucket, filter: {}, as: 'x' }]
          }
        })
      t.match(
        await call(root, 'planted'),
        { code: 'FORBIDDEN', message: /system bucket/ },
        'also when it runs'
      )
      await root.ask('procedures.unregister', { name: 'planted' })
    }
  }
  t.match(
    await root.request('procedures.register', {
      procedure: { name: 'spy', steps: [{ action: 'store.insert', bucket: '_user_roles', data: {} }] }
    }),
    { code: 'FORBIDDEN' }
  )
})

const asOwner: ProcedureDefinition = { ...add, name: 'deputy', runAs: 'owner' }

/** Somebody who may write and has registered `deputy`, and somebody who may only call it. */
async function withDeputy (
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
  await role(root, 'developer', { allow: ['store.*', 'procedures.*'] })
  const ownerId = await accounts.user('owen', 'developer')
  const owner = await accounts.as(ownerId)
  await owner.ask('procedures.register', { procedure: { ...asOwner, transaction } })
  const callerId = await accounts.user('carl')
  await grant(root, callerId, 'deputy', 'write')
  return { ...accounts, root, ownerId, owner, callerId, caller: await accounts.as(callerId) }
}

t.test('[G-C5] a procedure that runs as its owner', async t => {
  for (const transaction of [false, true]) {
    t.test(
      `has the rights of the owner, as they are when it runs${transaction ? ', in a transaction' : ''}`,
      async t => {
        const { root, caller, ownerId, store } = await withDeputy(t, transaction)
        t.match(await call(caller, 'deputy', { id: '1' }), { data: { results: { item: { id: '1' } } } })
        t.equal(
          await caller.code('store.insert', { bucket: 'items', data: {} }),
          'FORBIDDEN',
          'which the caller has not'
        )
        await root.ask('identity.removeRole', { userId: ownerId, roleName: 'developer' })
        t.match(await call(caller, 'deputy', { id: '2' }), {
          code: 'FORBIDDEN',
          message: /^steps\[0\]: No permission for store\./
        })
        await root.ask('identity.assignRole', { userId: ownerId, roleName: 'developer' })
        await root.ask('identity.disableUser', { userId: ownerId })
        t.match(await call(caller, 'deputy', { id: '2' }), { code: 'FORBIDDEN', message: /disabled/ })
        await root.ask('identity.enableUser', { userId: ownerId })
        t.match(await call(caller, 'deputy', { id: '3' }), { data: { success: true } })
        await root.ask('identity.deleteUser', { userId: ownerId })
        t.match(await call(caller, 'deputy', { id: '4' }), { code: 'FORBIDDEN' })
        t.same((await store.bucket('items').all()).map(({ id }) => id), ['1', '3'])
      }
    )
  }

  t.test('has the row filter of the owner', async t => {
    const { superadmin, user, as, store } = await serveAccounts(t)
    const root = await superadmin()
    await store.bucket('items').insertMany([{ id: 'a', name: 'x' }, { id: 'b', name: 'y' }])
    await role(root, 'of x', { allow: ['store.*'], where: { name: 'x' } }, { allow: 'procedures.*' })
    await (
      await as(await user('xena', 'of x'))
    ).ask('procedures.register', { procedure: { ...list, runAs: 'owner' } })
    const id = await user('carl', 'reader')
    await grant(root, id, 'list', 'write')
    t.match(await call(await as(id), 'list'), { data: { result: ['a'] } })
  })

  t.test('ends when its caller may not call it any more', async t => {
    const engine = new FakeRuleEngine()
    const { superadmin, user, as, store } = await serveAccounts(t, {}, { rules: engine })
    const root = await superadmin()
    await root.ask('procedures.register', {
      procedure: {
        name: 'slow',
        runAs: 'owner',
        steps: [{ action: 'rules.emit', topic: 'wait' }, ...add.steps]
      }
    })
    const id = await user('carl')
    await grant(root, id, 'slow', 'write')
    const turnstile = new Barrier()
    engine.onEmit = async () => { await turnstile.pass() }
    const calling = call(await as(id), 'slow', { id: '1' })
    await turnstile.held()
    await root.ask('identity.revoke', {
      subjectType: 'user',
      subjectId: id,
      resourceType: 'procedure',
      resourceName: 'slow',
      operations: ['write']
    })
    turnstile.open()
    t.match(await calling, { code: 'FORBIDDEN', message: /procedures\.call on slow/ })
    t.equal(await store.bucket('items').count(), 0)
  })

  t.test('is changed by its owner and by superadmins only, who speak for the owner', async t => {
    const { root, owner, callerId, caller, login } = await withDeputy(t)
    const anna = await login('anna', 'admin')
    await grant(root, callerId, 'deputy', 'admin')
    for (const client of [anna, caller]) {
      for (const updates of [{ description: 'x' }, { steps: list.steps }, { runAs: 'caller' }]) {
        t.equal(
          await client.code('procedures.update', { name: 'deputy', updates }),
          'FORBIDDEN',
          JSON.stringify(updates)
        )
      }
    }
    await root.ask('procedures.update', { name: 'deputy', updates: { steps: list.steps } })
    t.match(await call(caller, 'deputy'), { data: { result: [] } })
    await owner.ask('procedures.update', { name: 'deputy', updates: { steps: add.steps } })
    t.match(await call(caller, 'deputy', { id: '1' }), { data: { success: true } })
  })

  t.test('is not made of another one by whoever may merely change that', async t => {
    const { root, callerId, caller, owner, user, as } = await withDeputy(t)
    await owner.ask('procedures.register', { procedure: { ...add, name: 'plain' } })
    await grant(root, callerId, 'plain', 'admin', 'write')
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
      await call(caller, 'plain'),
      { code: 'FORBIDDEN', message: /agreed/ },
      'the owner has not written these steps'
    )
    await owner.ask('procedures.update', { name: 'plain', updates: { steps: add.steps } })
    t.match(await call(caller, 'plain', { id: '1' }), { data: { success: true } })
    t.match(await call(await as(await user('will', 'writer')), 'plain', { id: '2' }), {
      data: { success: true }
    })
  })

  t.test('does not run as somebody who was merely made its owner', async t => {
    const { root, owner, caller, user, as } = await withDeputy(t)
    const heirId = await user('hera', 'superadmin')
    await owner.ask('identity.transferOwner', {
      resourceType: 'procedure',
      resourceName: 'deputy',
      newOwnerId: heirId
    })
    t.match(await call(caller, 'deputy', { id: '1' }), { code: 'FORBIDDEN', message: /agreed/ })
    const heir = await as(heirId)
    await heir.ask('procedures.update', { name: 'deputy', updates: { description: 'mine now' } })
    t.match(
      await call(caller, 'deputy', { id: '1' }),
      { code: 'FORBIDDEN' },
      'a word about it is no consent to its steps'
    )
    await heir.ask('procedures.update', { name: 'deputy', updates: { steps: add.steps } })
    t.match(await call(caller, 'deputy', { id: '1' }), { data: { success: true } })
    await root.ask('identity.transferOwner', {
      resourceType: 'procedure',
      resourceName: 'deputy',
      newOwnerId: await user('mallory')
    })
    t.match(await call(caller, 'deputy', { id: '2' }), { code: 'FORBIDDEN' })
  })

  t.test('is nobody’s on an instance without accounts', async t => {
    const { store, root } = await withDeputy(t)
    const bare = await serve(t, {}, { store })
    const client = await bare.connect()
    t.match(await call(client, 'deputy', { id: '1' }), { code: 'FORBIDDEN' })
    t.equal(
      await client.code('procedures.update', { name: 'deputy', updates: { steps: list.steps } }),
      'VALIDATION_ERROR'
    )
    t.equal(
      await client.code('procedures.update', { name: 'deputy', updates: { runAs: 'caller' } }),
      'FORBIDDEN'
    )
    t.equal(await root.ask('store.count', { bucket: 'items' }), 0)
  })

  t.test('survives a restart with its owner', async t => {
    const { store, app, callerId } = await withDeputy(t)
    await app.close()
    const { as } = await serveAccounts(t, {}, {}, { store })
    t.match(await call(await as(callerId), 'deputy', { id: '1' }), { data: { success: true } })
  })
})

t.test('a procedure of the options', async t => {
  const definitions: readonly ProcedureDefinition[] = [
    { ...add, name: 'free', runAs: 'owner' },
    { ...add, name: 'bound' }
  ]

  t.test('runs as the application, which may do everything but what is the server’s own', async t => {
    const { superadmin, user, as, store } = await serveAccounts(t, {}, { procedures: { definitions } })
    const root = await superadmin()
    const id = await user('carl')
    await grant(root, id, 'free', 'write')
    await grant(root, id, 'bound', 'write')
    const client = await as(id)
    t.match(await call(client, 'free', { id: '1' }), { data: { results: { item: { id: '1' } } } })
    t.match(await call(client, 'bound', { id: '2' }), { code: 'FORBIDDEN', message: /^steps\[0\]/ })
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

  t.test('is nobody’s who had registered one of its name', async t => {
    const { store, app, user, as } = await serveAccounts(t)
    await (
      await as(await user('olga', 'admin'))
    ).ask('procedures.register', { procedure: { ...add, name: 'free' } })
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
    t.match(await call(await asAgain(id), 'free', { id: '1' }), { code: 'FORBIDDEN' })
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
    t.match(await call(writer, 'free', { id: '1' }), { data: { success: true } })
    t.match(await call(writer, 'bound', { id: '2' }), {
      code: 'FORBIDDEN',
      message: 'steps[0]: No permission for store.insert on items'
    })
    t.match(await call(await as('reader'), 'free', { id: '3' }), {
      code: 'FORBIDDEN',
      message: /requires write/
    })
    t.ok(asked.includes('procedures.call free'), 'a check sees the name')
    t.equal(
      await (await as('admin')).code('procedures.register', { procedure: { ...add, runAs: 'owner' } }),
      'FORBIDDEN'
    )
    const { connect: connectOpen } = await serve(t, { auth: { validate: async token => session(token) } })
    const admin = await connectOpen()
    await admin.ask('auth.login', { token: 'admin' })
    t.equal(
      await admin.code('procedures.register', { procedure: { ...add, runAs: 'owner' } }),
      'VALIDATION_ERROR'
    )
    t.match(await admin.ask('procedures.register', { procedure: add }), { registered: true })
  })
})

t.test('[G-D5] the audit names the procedure, and whose rights it asks for', async t => {
  const { superadmin } = await serveAccounts(t, {}, { audit: { tiers: ['read', 'write', 'admin'] } })
  const root = await superadmin()
  await root.ask('procedures.register', { procedure: asOwner })
  await root.request('procedures.register', { procedure: { name: 5 } })
  await root.ask('procedures.update', { name: 'deputy', updates: { runAs: 'caller' } })
  await call(root, 'deputy', { id: '1' })
  await root.ask('procedures.list')
  const { entries } = await root.ask('audit.query', { limit: 5 })
  t.match(entries.toReversed(), [
    { operation: 'procedures.register', resource: 'deputy', result: 'success', details: { runAs: 'owner' } },
    { operation: 'procedures.register', resource: '*', result: 'error' },
    { operation: 'procedures.update', resource: 'deputy', details: { runAs: 'caller' } },
    { operation: 'procedures.call', resource: 'deputy', details: undefined },
    { operation: 'procedures.list', resource: '*' }
  ])
})
