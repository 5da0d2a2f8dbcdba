import t from 'tap'
import type { ProcedureDefinition } from '../../../lib/procedures/procedure.js'
import type { Frame } from '../../support/client.js'
import { serve, startStore } from '../../support/service.js'
import { returnStep, insertStep, greeting } from '../../support/procedures.js'
import { logText } from '../../support/log-into.js'

t.test('[G-G3] procedures are there without any option', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  t.same(await client.ask('procedures.register', { procedure: greeting }), {
    name: 'greet',
    registered: true
  })
  t.strictSame(await client.ask('procedures.call', { name: 'greet', input: { name: 'Ann' } }), {
    success: true,
    result: 'Hello Ann',
    results: {}
  })
  t.same(await client.ask('procedures.get', { name: 'greet' }), greeting)
  t.same(await client.ask('procedures.list'), {
    procedures: [{ name: 'greet', description: 'Says hello', stepsCount: 1 }]
  })
  t.same(
    await client.ask('procedures.update', {
      name: 'greet',
      updates: { name: 'other', steps: [returnStep(1), returnStep(2)] }
    }),
    { name: 'greet', updated: true }
  )
  t.same(
    await client.ask('procedures.get', { name: 'greet' }),
    { ...greeting, steps: [returnStep(1), returnStep(2)] },
    'the name stays'
  )
  t.equal((await client.ask('procedures.call', { name: 'greet' })).result, 1)
  t.same(await client.ask('procedures.unregister', { name: 'greet' }), { name: 'greet', unregistered: true })
  t.same(await client.ask('procedures.list'), { procedures: [] })
})

t.test('what is not there is not found, and what is there is not registered twice', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  for (const type of ['get', 'call', 'unregister', 'update']) {
    t.equal(await client.code(`procedures.${type}`, { name: 'constructor', updates: {} }), 'NOT_FOUND', type)
  }
  await client.ask('procedures.register', { procedure: greeting })
  t.equal(await client.code('procedures.register', { procedure: greeting }), 'ALREADY_EXISTS')
  t.equal(
    await client.code('procedures.register', { procedure: { ...greeting, steps: [] } }),
    'VALIDATION_ERROR',
    'what is wrong is told first'
  )
  const replies = await Promise.all(
    Array.from(
      { length: 5 },
      async () =>
        await (await connect()).request('procedures.register', { procedure: { ...greeting, name: 'race' } })
    )
  )
  t.equal(
    replies.filter(({ type }) => type === 'result').length,
    1,
    'also when several clients are about it at the same time'
  )
  t.same(
    [...new Set(replies.filter(({ type }) => type === 'error').map(({ code }) => code))],
    ['ALREADY_EXISTS']
  )
})

t.test(
  'a definition that is not valid is refused with all that is wrong, and an update that makes it so',
  async t => {
    const { connect } = await serve(t)
    const client = await connect()
    const issues = [
      'name: is required',
      'steps[0].action: must be one of ',
      'steps[1].bucket: must be a non-empty text'
    ]
    const reply = await client.request('procedures.register', {
      procedure: { steps: [{ action: 'nope' }, insertStep({}, 'x', '')] }
    })
    t.equal(reply['code'], 'VALIDATION_ERROR')
    t.same(
      reply['details'].issues.map((issue: string, i: number) => issue.startsWith(issues[i] ?? '?')),
      [true, true, true]
    )
    await client.ask('procedures.register', { procedure: greeting })
    await client.ask('procedures.update', { name: 'greet', updates: { timeoutMs: 50, transaction: true } })
    await client.ask('procedures.update', { name: 'greet', updates: { timeoutMs: null, transaction: null } })
    const kept = await client.ask('procedures.get', { name: 'greet' })
    t.notOk('transaction' in kept || 'timeoutMs' in kept, 'null takes a member away')
    t.match(
      await client.request('procedures.update', { name: 'greet', updates: { timeoutMs: 0, steps: 5 } }),
      { code: 'VALIDATION_ERROR', details: { issues: [/^timeoutMs: /, /^steps: /] } }
    )
    t.same(await client.ask('procedures.get', { name: 'greet' }), greeting, 'the old one stays')
    t.match(
      await client.request('procedures.register', {
        procedure: { ...greeting, name: 'mine', runAs: 'owner' }
      }),
      { code: 'VALIDATION_ERROR', details: { issues: [/^runAs: /] } },
      'there is no owner where there are no accounts'
    )
    t.equal(
      await client.code('procedures.update', { name: 'greet', updates: { runAs: 'owner' } }),
      'VALIDATION_ERROR'
    )
  }
)

t.test('procedures of the options', async t => {
  const definitions: readonly ProcedureDefinition[] = [
    {
      name: 'add',
      input: { id: { type: 'string' } },
      runAs: 'owner',
      steps: [{ action: 'store.insert', bucket: 'items', data: { id: '{{ input.id }}' }, as: 'item' }]
    },
    { name: 'greet', steps: [{ action: 'return', value: 'from the options' }] }
  ]
  const { connect, store } = await serve(t, { procedures: { definitions } })
  const client = await connect()

  t.test('can be called and seen', async t => {
    t.match(await client.ask('procedures.call', { name: 'add', input: { id: '1' } }), {
      results: { item: { id: '1' } }
    })
    t.same(await client.ask('procedures.get', { name: 'greet' }), definitions[1])
    t.same(await client.ask('procedures.list'), {
      procedures: [
        { name: 'add', stepsCount: 1 },
        { name: 'greet', stepsCount: 1 }
      ]
    })
  })

  t.test('are not changed by clients', async t => {
    t.equal(
      await client.code('procedures.update', { name: 'greet', updates: { steps: [returnStep(1)] } }),
      'FORBIDDEN'
    )
    t.equal(await client.code('procedures.unregister', { name: 'greet' }), 'FORBIDDEN')
    t.equal(await client.code('procedures.register', { procedure: greeting }), 'ALREADY_EXISTS')
  })

  t.test('belong to the store as long as some instance has them', async t => {
    const other = await serve(t, {}, { store })
    t.equal(
      (await (await other.connect()).ask('procedures.call', { name: 'greet' })).result,
      'from the options',
      'whichever instance is asked'
    )
    const same = await serve(t, { procedures: { definitions } }, { store })
    await same.app.close()
    t.equal((await client.ask('procedures.call', { name: 'greet' })).result, 'from the options')
    await t.rejects(
      serve(
        t,
        { procedures: { definitions: [{ name: 'greet', steps: [{ action: 'return', value: 'else' }] }] } },
        { store }
      ),
      /"greet"/
    )
    t.equal((await client.ask('procedures.call', { name: 'greet' })).result, 'from the options')
  })

  t.test('take the place of one that a client has registered', async t => {
    const store = await startStore(t)
    const before = await serve(t, {}, { store })
    await (await before.connect()).ask('procedures.register', { procedure: greeting })
    await before.app.close()
    const { logger, logged } = logText()
    const after = await serve(t, { procedures: { definitions } }, { store, fastify: { logger } })
    t.equal(
      (await (await after.connect()).ask('procedures.call', { name: 'greet' })).result,
      'from the options'
    )
    t.match(logged(), /takes the place/)
    await after.app.close()
    const last = await serve(t, {}, { store })
    t.same(await (await last.connect()).ask('procedures.list'), { procedures: [] })
  })

  t.test('may not reach what is the server’s own', async t => {
    const definition: ProcedureDefinition = {
      name: 'p',
      steps: [{ action: 'store.count', bucket: '_procedures', as: 'x' }]
    }
    await t.rejects(serve(t, { procedures: { definitions: [definition] } }), {
      name: 'NoexOptionsError',
      path: 'procedures.definitions[0].steps[0].bucket'
    })
  })
})

t.test('[G-C3] the bucket of the procedures is hidden and guarded, and no other', async t => {
  const { connect, app, store } = await serve(t)
  const client = await connect()
  await client.ask('procedures.register', { procedure: greeting })
  const bucket = '_procedures'
  const requests: ReadonlyArray<readonly [type: string, fields: object]> = [
    ['store.all', { bucket }], ['store.get', { bucket, key: 'greet' }],
    ['store.insert', { bucket, data: {} }], ['store.update', { bucket, key: 'greet', data: {} }],
    ['store.clear', { bucket }],
    ['store.dropBucket', { name: bucket }], ['store.updateBucket', { name: bucket, updates: {} }],
    ['store.getBucketSchema', { name: bucket }], ['store.defineBucket', { name: bucket, config: {} }],
    ['store.transaction', { operations: [{ op: 'get', bucket, key: 'greet' }] }],
    ['store.defineQuery', { name: 'q', config: { bucket } }],
    [
      'store.defineBucket',
      { name: 'spy', config: { key: 'id', schema: { id: { type: 'string', ref: bucket } } } }
    ],
    [
      'procedures.register',
      {
        procedure: {
          name: 'spy',
          steps: [
            {
              action: 'if',
              condition: { ref: 'x', operator: 'exists' },
              then: [{ action: 'store.where', bucket, filter: {}, as: 'x' }]
            }
          ]
        }
      }
    ],
    [
      'procedures.update',
      { name: 'greet', updates: { steps: [{ action: 'store.delete', bucket, key: 'greet' }] } }
    ]
  ]
  for (const [type, fields] of requests) {
    t.match(await client.request(type, fields), { code: 'FORBIDDEN', message: /system bucket/ }, type)
  }
  store.defineQuery('peek', async context => await context.bucket(bucket).all())
  t.equal(await client.code('store.query', { query: 'peek' }), 'FORBIDDEN')
  t.same((await client.ask('store.buckets')).names, ['items'])
  t.same((await client.ask('store.stats')).buckets, { count: 1, names: ['items'] })
  t.same((await client.ask('server.stats')).store.records.perBucket, { items: 0 })
  t.same((await app.noex.getStats()).store?.buckets.names, ['items'])
  t.same((await app.inject('/stats')).json<Frame>()['store'].buckets.names, ['items'])

  await client.ask('store.defineBucket', {
    name: '_mine',
    config: { key: 'id', schema: { id: { type: 'string' } } }
  })
  await client.ask('procedures.register', {
    procedure: { name: 'mine', steps: [insertStep({ id: '1' }, 'x', '_mine')] }
  })
  t.match(await client.ask('procedures.call', { name: 'mine' }), { success: true })
  t.same((await client.ask('store.buckets')).names, ['items', '_mine'], 'other names are as good as any')

  await store
    .bucket(bucket)
    .insert({
      name: 'planted',
      definition: { name: 'planted', steps: [{ action: 'store.where', bucket, filter: {}, as: 'x' }] }
    })
  t.match(
    await client.request('procedures.call', { name: 'planted' }),
    { code: 'FORBIDDEN', message: /^steps\[0\]: .*system bucket/ },
    'also when it runs'
  )
})
