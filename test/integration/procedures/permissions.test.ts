import t from 'tap'
import type { TestClient } from '../../support/client.js'
import { FakeRuleEngine } from '../../support/fake-rule-engine.js'
import { serveAccounts } from '../../support/identity.js'
import { Barrier } from '../../support/barrier.js'
import {
  addItem,
  addAsOwner,
  callProcedure,
  grantProcedure,
  listItems,
  createRole
} from '../../support/procedure-permissions.js'

t.test('[G-C5] with accounts, a procedure is a resource', async t => {
  const { superadmin, user, as, login, store } = await serveAccounts(t)
  const root = await superadmin()
  await root.ask('procedures.register', { procedure: listItems })
  await root.ask('procedures.register', { procedure: addItem })

  t.test('that roles allow by the operation, as far as they go', async t => {
    const codes = async (client: TestClient): Promise<Array<string | undefined>> => {
      const replies = [
        await client.request('procedures.get', { name: 'list' }),
        await callProcedure(client, 'list'),
        await client.request('procedures.list'),
        await client.request('procedures.register', { procedure: addItem }),
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
    t.same(await codes(await login('guest')), [
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
    await grantProcedure(root, id, 'list', 'write')
    const client = await as(id)
    t.match(await callProcedure(client, 'list'), { data: { result: [] } })
    t.match(await callProcedure(client, 'add', { id: '1' }), {
      code: 'FORBIDDEN',
      message: 'No permission for procedures.call on add'
    })
    t.equal(await client.code('procedures.update', { name: 'list', updates: {} }), 'FORBIDDEN')
    await grantProcedure(root, id, 'list', 'admin')
    await client.ask('procedures.update', { name: 'list', updates: { description: 'by paul' } })
    t.equal(await client.code('procedures.list'), 'FORBIDDEN', 'the list of all is no single procedure')
  })

  t.test('that the user who registers it owns, until it is removed', async t => {
    await createRole(root, 'registrar', { allow: 'procedures.register' })
    const id = await user('olga', 'registrar')
    const client = await as(id)
    await client.ask('procedures.register', { procedure: { ...addItem, name: 'mine' } })
    t.match(await root.ask('identity.getOwner', { resourceType: 'procedure', resourceName: 'mine' }), {
      owner: { userId: id }
    })
    await client.ask('procedures.update', {
      name: 'mine',
      updates: { steps: [{ action: 'return', value: 'mine' }] }
    })
    t.match(await callProcedure(client, 'mine'), { data: { result: 'mine' } })
    await grantProcedure(root, await user('piet'), 'mine', 'write')
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
      await root.code('procedures.register', { procedure: { ...addItem, name: 'unowned' } }),
      'INTERNAL_ERROR'
    )
    store.transaction = transaction
    t.equal(await root.code('procedures.get', { name: 'unowned' }), 'NOT_FOUND')
    t.equal(await store.bucket('_procedures').get('unowned'), undefined)
  })

  t.test('whose next owner is the user who registers it next', async t => {
    await store
      .bucket('_resource_owners')
      .insert({ userId: await user('late', 'reader'), resourceType: 'procedure', resourceName: 'again' })
    await root.ask('procedures.register', { procedure: { ...addItem, name: 'again' } })
    t.match(await root.ask('identity.getOwner', { resourceType: 'procedure', resourceName: 'again' }), {
      owner: { userId: '__superadmin__' }
    })
  })
})

t.test('steps have the rights of the caller', async t => {
  const engine = new FakeRuleEngine()
  const { superadmin, user, as, store } = await serveAccounts(t, {}, { rules: engine })
  const root = await superadmin()
  await root.ask('procedures.register', { procedure: addItem })
  await root.ask('procedures.register', { procedure: listItems })

  t.test('a reader who may call it does not insert', async t => {
    const id = await user('rita', 'reader')
    await grantProcedure(root, id, 'add', 'write')
    const client = await as(id)
    t.match(await callProcedure(client, 'add', { id: 'x' }), {
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
          { action: 'if', condition: { ref: 'input.write', operator: 'exists' }, then: addItem.steps }
        ]
      }
    })
    const id = await user('mia', 'reader')
    await grantProcedure(root, id, 'mixed', 'write')
    const client = await as(id)
    t.match(
      await callProcedure(client, 'mixed'),
      { data: { results: { n: 0 } } },
      'what is not run takes no right'
    )
    t.match(await callProcedure(client, 'mixed', { write: true }), {
      code: 'FORBIDDEN',
      message: /^steps\[1\]\.then\[0\]: /
    })
  })

  t.test('row filters hold, in a transaction too', async t => {
    await store.bucket('items').insertMany([
      { id: 'mine', name: 'theo' },
      { id: 'other', name: 'another user' }
    ])
    const steps = [
      { action: 'store.where', bucket: 'items', filter: {}, as: 'all' },
      { action: 'store.count', bucket: 'items', as: 'count' },
      { action: 'store.get', bucket: 'items', key: 'other', as: 'other' }
    ]
    await createRole(
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
      t.match(await callProcedure(client, `read ${transaction}`), {
        data: { results: { all: [{ id: 'mine' }], count: 1, other: null } }
      })
      const write = { action: 'store.update', bucket: 'items', key: 'other', data: { n: 1 } }
      await root.ask('procedures.register', {
        procedure: { name: `write ${transaction}`, steps: [write], transaction }
      })
      t.match(await callProcedure(client, `write ${transaction}`), { code: 'FORBIDDEN' })
    }
    t.equal((await store.bucket('items').get('other'))?.['n'], undefined)
  })

  t.test('a transaction takes the right to one, and to each operation', async t => {
    await root.ask('procedures.register', {
      procedure: { ...addItem, name: 'add at once', transaction: true }
    })
    await createRole(root, 'inserter', { allow: ['store.insert', 'procedures.call'] })
    await createRole(root, 'transactor', { allow: ['store.transaction', 'procedures.call'] })
    for (const name of ['inserter', 'transactor']) {
      t.match(
        await callProcedure(await as(await user(name, name)), 'add at once', { id: 'y' }),
        { code: 'FORBIDDEN', message: /^steps\[0\]: / },
        name
      )
    }
    t.match(
      await callProcedure(await as(await user('both', 'inserter', 'transactor')), 'add at once', { id: 'y' }),
      {
        data: { success: true }
      }
    )
  })

  t.test('so does what the rule engine is told and asked, before a transaction is written', async t => {
    await createRole(
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
      t.match(await callProcedure(client, name, { topic: 'ok.x' }), { data: { success: true } })
      t.match(await callProcedure(client, name, { topic: 'secret' }), {
        code: 'FORBIDDEN',
        message: /^steps\[1\]: .*rules\.emit on secret/
      })
    }
    t.notOk(engine.emitted.includes('secret'))
    t.equal(await store.bucket('items').get('tell true secret'), undefined)
    await root.ask('procedures.register', {
      procedure: { name: 'ask', steps: [{ action: 'rules.getFact', key: '{{ input.key }}', as: 'fact' }] }
    })
    t.match(await callProcedure(client, 'ask', { key: 'secret' }), { code: 'FORBIDDEN' })
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
    const barrier = new Barrier()
    engine.onEmit = async () => { await barrier.pass() }
    const id = await user('lena', 'writer')
    const client = await as(id)
    const calling = callProcedure(client, 'slow')
    await barrier.held()
    await root.ask('identity.removeRole', { userId: id, roleName: 'writer' })
    barrier.open()
    t.match(await calling, { code: 'FORBIDDEN', message: /^steps\[2\]: / })
    t.equal(await store.bucket('items').get('late'), undefined)
  })

  t.test('and what was read is not sent to a caller that may not see it any more', async t => {
    await root.ask('procedures.register', {
      procedure: {
        name: 'last',
        steps: [
          { action: 'store.where', bucket: 'items', filter: {}, as: 'items' },
          { action: 'rules.emit', topic: 'wait' }
        ]
      }
    })
    await createRole(root, 'caller', { allow: ['procedures.call', 'rules.*'] })
    for (const transaction of [false, true]) {
      await root.ask('procedures.update', { name: 'last', updates: { transaction } })
      const barrier = new Barrier()
      engine.onEmit = async () => { await barrier.pass() }
      const id = await user(`leni ${transaction}`, 'writer', 'caller')
      const calling = callProcedure(await as(id), 'last')
      await barrier.held()
      await root.ask('identity.removeRole', { userId: id, roleName: 'writer' })
      barrier.open()
      t.match(await calling, {
        type: 'error',
        code: 'FORBIDDEN',
        ...(transaction && { details: { applied: true } })
      })
    }
  })
})

t.test('[G-C3] no step reaches the system buckets, with any caller', async t => {
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
        await callProcedure(root, 'planted'),
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

t.test('[G-D5] the audit names the procedure, and whose rights it asks for', async t => {
  const { superadmin } = await serveAccounts(t, {}, { audit: { tiers: ['read', 'write', 'admin'] } })
  const root = await superadmin()
  await root.ask('procedures.register', { procedure: addAsOwner })
  await root.request('procedures.register', { procedure: { name: 5 } })
  await root.ask('procedures.update', { name: 'add-as-owner', updates: { runAs: 'caller' } })
  await callProcedure(root, 'add-as-owner', { id: '1' })
  await root.ask('procedures.list')
  const { entries } = await root.ask('audit.query', { limit: 5 })
  t.match(entries.toReversed(), [
    {
      operation: 'procedures.register',
      resource: 'add-as-owner',
      result: 'success',
      details: { runAs: 'owner' }
    },
    { operation: 'procedures.register', resource: '*', result: 'error' },
    { operation: 'procedures.update', resource: 'add-as-owner', details: { runAs: 'caller' } },
    { operation: 'procedures.call', resource: 'add-as-owner', details: undefined },
    { operation: 'procedures.list', resource: '*' }
  ])
})
