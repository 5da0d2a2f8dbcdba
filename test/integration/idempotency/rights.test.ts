import t from 'tap'
import type { Frame, TestClient } from '../../support/client.js'
import { serveAccounts } from '../../support/identity.js'
import { insertStep, returnStep, serveProcedures } from '../../support/procedures.js'
import { serve } from '../../support/service.js'

const repeated = { repeated: true }

t.test('the right is asked anew before a remembered answer is given', async t => {
  let allowed = true
  const { connect, store } = await serve(t, {
    auth: {
      validate: token => JSON.parse(token),
      permissions: {
        check: (_session, operation) => allowed || operation !== 'store.update' ? undefined : false,
        rules: [
          { role: 'part', allow: 'store.*', where: { n: 1 } }, { role: 'all', allow: 'store.*' }
        ]
      }
    }
  })
  await store.bucket('items').insert({ id: 'a', n: 1, name: 'secret' })
  const as = async (...roles: string[]): Promise<TestClient> => {
    const client = await connect()
    await client.ask('auth.login', { token: JSON.stringify({ userId: 'ann', roles }) })
    return client
  }
  const update = { bucket: 'items', key: 'a', data: { name: 'more' }, idempotencyKey: 'k' }
  const all = await as('all')
  const answer = await all.ask('store.update', update)
  t.same(await (await as('all')).ask('store.update', update), answer)
  t.same(await (await as('part')).ask('store.update', update), repeated, 'under another row rule')
  t.same(await (await as('all', 'more')).ask('store.update', update), repeated, 'in other roles')
  allowed = false
  t.equal(await all.code('store.update', update), 'FORBIDDEN')
  allowed = true
  t.same(await all.ask('store.update', update), answer)
  t.match(await store.bucket('items').get('a'), { _version: 2 })
})

t.test('an account is not shown again to a user who may not manage it any more', async t => {
  const { superadmin, user, as } = await serveAccounts(t)
  const root = await superadmin()
  const annId = await user('ann', 'admin')
  const bobId = await user('bob')
  const ann = await as(annId)
  const update = { userId: bobId, displayName: 'Bob', idempotencyKey: 'k' }
  const answer = await ann.ask('identity.updateUser', update)
  t.same(await ann.ask('identity.updateUser', update), answer)
  await root.ask('identity.removeRole', { userId: annId, roleName: 'admin' })
  t.same(await ann.ask('identity.updateUser', update), repeated)
})

t.test('a procedure', async t => {
  const steps = [
    insertStep({ name: '{{ input.name }}' }, 'item'),
    { action: 'store.get', bucket: 'accounts', key: 'a', as: 'account' },
    { action: 'rules.emit', topic: 'done', data: { name: '{{ input.name }}' } },
    returnStep('{{ account.balance }}')
  ]

  for (const transaction of [true, false]) {
    t.test(`${transaction ? 'in a transaction' : 'of single steps'} is done once`, async t => {
      const { client, connect, engine, store } = await serveProcedures(t)
      await store.bucket('accounts').insert({ id: 'a', balance: 7 })
      await client.ask('procedures.register', { procedure: { name: 'p', steps, transaction } })
      const call = { name: 'p', input: { name: 'x' }, idempotencyKey: 'k' }
      const { revision } = store
      const answer = await client.ask('procedures.call', call)
      t.match(answer, { success: true, result: 7, results: { item: { name: 'x' } } })
      t.equal(store.revision - revision, transaction ? 1 : 2, 'with its commit, or one of its own')
      await client.ask('procedures.update', { name: 'p', updates: { steps: [returnStep('other')] } })
      t.same(await (await connect()).ask('procedures.call', call), answer, 'also when it is another one now')
      t.equal(await store.bucket('items').count(), 1)
      t.equal(engine.emitted.length, 1)
      t.match(await client.request('procedures.call', { ...call, input: {} }), { code: 'VALIDATION_ERROR' })
      await client.ask('procedures.unregister', { name: 'p' })
      t.same(await client.ask('procedures.call', call), repeated, 'whose steps would have no rights now')
    })
  }

  t.test('that fails behind its commit is not done again', async t => {
    const { client, engine, store } = await serveProcedures(t)
    await store.bucket('accounts').insert({ id: 'a', balance: 7 })
    await client.ask('procedures.register', { procedure: { name: 'p', steps, transaction: true } })
    const call = { name: 'p', input: { name: 'x' }, idempotencyKey: 'k' }
    engine.emit = async () => { throw new Error('down') }
    t.match(await client.request('procedures.call', call), { type: 'error', details: { applied: true } })
    t.match(await client.request('procedures.call', call), { type: 'result', data: { result: 7 } })
    t.equal(await store.bucket('items').count(), 1)
  })

  for (const transaction of [true, false]) {
    const kind = transaction ? 'transaction' : 'procedure'
    t.test(`shows nothing that a user may not read any more: ${kind}`, async t => {
      const { store, superadmin, user, as } = await serveAccounts(t)
      await store.defineBucket('accounts', { key: 'id', schema: { id: { type: 'string' } } })
      await store.bucket('accounts').insert({ id: 'a', balance: 7 })
      const root = await superadmin()
      const read = steps.filter(step => !('topic' in step))
      await root.ask('procedures.register', { procedure: { name: 'p', steps: read, transaction } })
      const permissions = (reads: boolean): Frame => ({
        permissions: [
          { allow: ['procedures.call', 'store.transaction', 'store.insert'] },
          { allow: 'store.get', buckets: [reads ? 'accounts' : 'items'] }
        ]
      })
      const { id: roleId } = await root.ask('identity.createRole', { name: 'clerk', ...permissions(true) })
      const ann = await as(await user('ann', 'clerk'))
      const call = { name: 'p', input: { name: 'x' }, idempotencyKey: 'k' }
      const answer = await ann.ask('procedures.call', call)
      t.match(answer, { result: 7 })
      t.same(await ann.ask('procedures.call', call), answer)
      await root.ask('identity.updateRole', { roleId, ...permissions(false) })
      t.same(await ann.ask('procedures.call', call), repeated)
      await root.ask('identity.updateRole', { roleId, ...permissions(true) })
      t.same(await ann.ask('procedures.call', call), answer)
      t.equal(await store.bucket('items').count(), 1)
    })
  }
})
