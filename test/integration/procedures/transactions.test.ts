import t from 'tap'
import { serve } from '../../support/service.js'
import { returnStep, insertStep, serveProcedures } from '../../support/procedures.js'

t.test('[G-G1] a transaction', async t => {
  t.test('is written as a whole, or not at all', async t => {
    const { run, client } = await serveProcedures(t)
    const bad = insertStep({ id: 'c', balance: -1 }, 'x', 'accounts')
    t.match(
      await run([insertStep({ id: '1' }), insertStep({ id: 'a', balance: 1 }, 'x', 'accounts'), bad], {
        transaction: true
      }),
      { code: 'VALIDATION_ERROR', message: /^steps\[2\]/, details: [{ field: 'balance' }] }
    )
    t.match(
      await run([insertStep({ id: '1' }), { action: 'aggregate', source: 'nope', op: 'count', as: 'x' }], {
        transaction: true
      }),
      { code: 'VALIDATION_ERROR' }
    )
    t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
    t.equal(await client.ask('store.count', { bucket: 'accounts' }), 0)
    t.match(
      await run([insertStep({ id: '1' }), insertStep({ id: 'a', balance: 1 }, 'x', 'accounts')], {
        transaction: true
      }),
      { type: 'result' }
    )
    t.equal(await client.ask('store.count', { bucket: 'items' }), 1)
  })

  t.test('sees what it has done, and no other does before it ends', async t => {
    const { run, client } = await serveProcedures(t)
    await client.ask('store.insert', { bucket: 'accounts', data: { id: 'a', balance: 5 } })
    const bucket = 'accounts'
    t.match(
      await run(
        [
          { action: 'store.get', bucket, key: 'a', as: 'before' },
          { action: 'store.update', bucket, key: 'a', data: { balance: 6 }, as: 'updated' },
          insertStep({ id: 'b', balance: '{{ updated.balance }}' }, 'inserted', bucket),
          { action: 'store.findOne', bucket, filter: { id: 'b' }, as: 'found' },
          { action: 'store.where', bucket, filter: { balance: 6 }, as: 'both' },
          { action: 'store.count', bucket, as: 'count' },
          { action: 'store.delete', bucket, key: 'b' },
          { action: 'store.get', bucket, key: 'b', as: 'gone' },
          returnStep('{{ count }}')
        ],
        { transaction: true }
      ),
      {
        data: {
          success: true,
          result: 2,
          results: {
            before: { balance: 5 },
            updated: { balance: 6, _version: 2 },
            inserted: { balance: 6 },
            found: { id: 'b' },
            both: [{}, {}],
            gone: null
          }
        }
      }
    )
    t.match(await client.ask('store.all', { bucket }), [{ id: 'a', balance: 6 }])
  })

  t.test('conflicts with a writer that is faster', async t => {
    const { run, client, store } = await serveProcedures(t)
    await client.ask('store.insert', { bucket: 'accounts', data: { id: 'a', balance: 5 } })
    const transaction = store.transaction.bind(store)
    store.transaction = async work => await transaction(async tx => {
      const result = await work(tx)
      await store.bucket('accounts').update('a', { balance: 100 })
      return result
    })
    t.match(
      await run([{ action: 'store.update', bucket: 'accounts', key: 'a', data: { balance: 0 } }], {
        transaction: true
      }),
      { code: 'CONFLICT', details: { bucket: 'accounts', key: 'a' } }
    )
    store.transaction = transaction
    t.match(await client.ask('store.get', { bucket: 'accounts', key: 'a' }), { balance: 100 })
  })

  t.test('keeps to the size of a bucket', async t => {
    const { run, client, store } = await serveProcedures(t)
    await store.defineBucket('small', { key: 'id', schema: { id: { type: 'string' } }, maxSize: 2 })
    t.match(
      await run(
        ['1', '2', '3'].map(id => insertStep({ id }, 'x', 'small')),
        { transaction: true }
      ),
      { type: 'result' }
    )
    t.equal(await client.ask('store.count', { bucket: 'small' }), 2)
  })

  t.test('tells the rule engine after the commit, in order, and waits for it', async t => {
    const { run, client, engine, store } = await serveProcedures(t)
    const seen: unknown[] = []
    engine.onEmit = async (topic, { n }) => {
      seen.push([topic, n, engine.getFact('f') ?? null, await store.bucket('items').count()])
    }
    const steps = [
      { action: 'rules.getFact', key: 'f', as: 'before' },
      { action: 'rules.emit', topic: 'first', data: { n: '{{ input.n }}' } },
      { action: 'rules.setFact', key: 'f', value: '{{ input.n }}' },
      { action: 'rules.emit', topic: 'second' },
      { action: 'rules.getFact', key: 'f', as: 'after' },
      insertStep({ id: '1' })
    ]
    t.match(await run(steps, { transaction: true }, { n: 5 }), {
      data: { results: { before: null, after: null } }
    })
    t.same(seen, [['first', 5, null, 1], ['second', undefined, 5, 1]])
    t.match(await run([...steps, insertStep({ id: '1' })], { transaction: true }, { n: 6 }), {
      code: 'CONFLICT'
    })
    t.equal(seen.length, 2, 'and does not tell it of what was not written')
    t.equal(await client.ask('store.count', { bucket: 'items' }), 1)
  })

  t.test('says that it is written when the rule engine fails afterwards', async t => {
    const { run, client, engine } = await serveProcedures(t)
    engine.onEmit = topic => {
      if (topic !== 'fine') {
        throw topic === 'odd'
          ? new Error('secret')
          : Object.assign(new Error('x'), { name: 'LimitError', details: { max: 1 } })
      }
    }
    t.match(
      await run([insertStep({ id: '1' }), { action: 'rules.emit', topic: 'full' }], { transaction: true }),
      { code: 'RATE_LIMITED', message: /^steps\[1\]: .*committed/, details: { max: 1, applied: true } }
    )
    t.match(
      await run([insertStep({ id: '2' }), { action: 'rules.emit', topic: 'odd' }], { transaction: true }),
      {
        code: 'INTERNAL_ERROR',
        details: { applied: true }
      }
    )
    engine.onEmit = async topic => { if (topic === 'slow') await new Promise(() => {}) }
    t.match(
      await run(
        [
          insertStep({ id: '3' }),
          { action: 'rules.emit', topic: 'slow' },
          { action: 'rules.emit', topic: 'never' }
        ],
        { transaction: true, timeoutMs: 100 }
      ),
      { code: 'INTERNAL_ERROR', message: /^steps\[1\]: .*100 ms/, details: { applied: true } }
    )
    t.notOk(engine.emitted.includes('never'))
    t.equal(await client.ask('store.count', { bucket: 'items' }), 3)
  })

  t.test('writes nothing when the rule engine is stopped', async t => {
    const { run, client, engine } = await serveProcedures(t)
    engine.isRunning = false
    t.match(
      await run([insertStep({ id: '1' }), { action: 'rules.emit', topic: 'x' }], { transaction: true }),
      {
        code: 'RULES_NOT_AVAILABLE',
        message: /^steps\[1\]/
      }
    )
    t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
  })
})

t.test('[G-G5] the rule engine is waited for', async t => {
  const { run, engine, connect } = await serveProcedures(t)
  engine.onEmit = async () => {
    await new Promise(resolve => setImmediate(resolve))
    await engine.setFact('derived', 5)
  }
  t.match(
    await run([
      { action: 'rules.emit', topic: 'x' },
      { action: 'rules.getFact', key: 'derived', as: 'fact' }
    ]),
    { data: { results: { fact: 5 } } }
  )

  const rejections: unknown[] = []
  const listener = (error: unknown): void => { rejections.push(error) }
  process.on('unhandledRejection', listener)
  t.teardown(() => { process.off('unhandledRejection', listener) })
  engine.isRunning = false
  for (const step of [
    { action: 'rules.emit', topic: 'x' },
    { action: 'rules.setFact', key: 'k', value: 1 }
  ]) {
    t.match(await run([step]), { code: 'RULES_NOT_AVAILABLE' }, step.action)
  }
  t.match(
    await run([{ action: 'rules.getFact', key: 'derived', as: 'fact' }]),
    { data: { results: { fact: 5 } } },
    'what it knows can still be read'
  )
  await new Promise(resolve => setImmediate(resolve))
  t.same(rejections, [])

  const { connect: connectBare } = await serve(t)
  const bare = await connectBare()
  await bare.ask('procedures.register', {
    procedure: { name: 'emit', steps: [{ action: 'rules.emit', topic: 'x' }] }
  })
  t.equal(
    await bare.code('procedures.call', { name: 'emit' }),
    'RULES_NOT_AVAILABLE',
    'also where there is none'
  )
  t.match(await (await connect()).ask('procedures.list'), { procedures: Array })
})
