import t from 'tap'
import { Store } from '../../../lib/exports/store.js'
import type { Frame } from '../../support/client.js'
import { serve, startStore } from '../../support/service.js'
import { Barrier } from '../../support/barrier.js'
import { returnStep, insertStep, greeting, serveProcedures } from '../../support/procedures.js'

/** Holds every insert into a bucket until the test lets it go. */
function holdInserts (store: Store, bucket: string): Barrier {
  const barrier = new Barrier()
  const original = store.bucket.bind(store)
  store.bucket = name => {
    const handle = original(name)
    if (name !== bucket) return handle
    return new Proxy(handle, {
      get (target, member) {
        const value: unknown = Reflect.get(target, member, target)
        if (typeof value !== 'function') return value
        return async (...args: unknown[]) => {
          if (member === 'insert' || member === 'insertMany') await barrier.pass()
          return await (value as (...args: unknown[]) => unknown).apply(target, args)
        }
      }
    })
  }
  return barrier
}

t.test('[G-G2] a timeout', async t => {
  t.test('stops before the next step, also when the step that hangs goes on afterwards', async t => {
    const store = await startStore(t)
    await store.defineBucket('slow', { key: 'id', schema: { id: { type: 'string' } } })
    const barrier = holdInserts(store, 'slow')
    const { run, client } = await serveProcedures(t, {}, { store })
    t.match(
      await run([insertStep({ id: '1' }), insertStep({ id: '2' }, 'x', 'slow'), insertStep({ id: '3' })], {
        timeoutMs: 100
      }),
      { code: 'INTERNAL_ERROR', message: /^steps\[1\]: .*100 ms/, details: undefined }
    )
    barrier.open()
    await client.settled()
    t.same((await client.ask('store.all', { bucket: 'items' })).map(({ id }: Frame) => id), ['1'])
  })

  t.test('writes nothing of a transaction', async t => {
    const { run, client, store } = await serveProcedures(t)
    const barrier = new Barrier()
    const transaction = store.transaction.bind(store)
    store.transaction = async work => await transaction(async tx => {
      const open = tx.open.bind(tx)
      tx.open = name => {
        const handle = open(name)
        const insertSoon = handle.insertSoon.bind(handle)
        handle.insertSoon = async data => {
          if (name === 'accounts') await barrier.pass()
          return await insertSoon(data)
        }
        return handle
      }
      return await work(tx)
    })
    const steps = [insertStep({ id: '1' }), insertStep({ id: 'a', balance: 1 }, 'x', 'accounts')]
    t.match(
      await run(steps, { transaction: true, timeoutMs: 1_000 }),
      { code: 'INTERNAL_ERROR', message: /^steps\[1\]/, details: undefined }
    )
    barrier.open()
    await client.settled()
    t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
    t.equal(await client.ask('store.count', { bucket: 'accounts' }), 0)
  })

  t.test('is not used up by a schema change that takes long', async t => {
    const { client, store, connect } = await serveProcedures(t)
    for (const transaction of [false, true]) {
      const name = `late ${transaction}`
      const procedure = { name, steps: [insertStep({ id: name })], timeoutMs: 100, transaction }
      await client.ask('procedures.register', { procedure })
    }
    const barrier = new Barrier()
    const updateBucket = store.updateBucket.bind(store)
    store.updateBucket = async (...args) => {
      await barrier.pass()
      await updateBucket(...args)
    }
    const admin = await connect()
    const changing = admin.ask('store.updateBucket', { name: 'accounts', updates: {} })
    await barrier.held()
    for (const transaction of [false, true]) {
      await client.ask('procedures.call', { name: `late ${transaction}` })
    }
    barrier.open()
    await changing
    t.equal(await client.ask('store.count', { bucket: 'items' }), 2)
  })

  t.test(
    'is that of the options where a procedure has none, and a rule that hangs does not hold it up',
    async t => {
      const { run, engine, client } = await serveProcedures(t, { procedures: { defaultTimeoutMs: 100 } })
      engine.onEmit = async () => { await new Promise(() => {}) }
      t.match(await run([{ action: 'rules.emit', topic: 'x' }, insertStep({ id: '1' })]), {
        code: 'INTERNAL_ERROR',
        message: /100 ms/
      })
      t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
      engine.onEmit = () => {}
      t.match(
        await run([{ action: 'rules.emit', topic: 'x' }]),
        { type: 'result' },
        'the next call has its own time'
      )
    }
  )
})

t.test('a client that leaves ends its procedure before the next step', async t => {
  const { client, engine, connect, app } = await serveProcedures(t)
  await client.ask('procedures.register', {
    procedure: { name: 'two', steps: [{ action: 'rules.emit', topic: 'x' }, insertStep({ id: '1' })] }
  })
  const barrier = new Barrier()
  engine.onEmit = async () => { await barrier.pass() }
  const leaving = await connect()
  leaving.send({ id: 1, type: 'procedures.call', name: 'two' })
  await barrier.held()
  leaving.ws.terminate()
  await leaving.closed
  while (app.noex.connectionCount > 1) await client.settled()
  barrier.open()
  await client.settled()
  t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
})

t.test('limits', async t => {
  const { connect } = await serve(t, { procedures: { maxSteps: 2, maxConditionDepth: 0 } })
  const client = await connect()
  t.match(
    await client.request('procedures.register', {
      procedure: { name: 'p', steps: [returnStep(1), returnStep(1), returnStep(1)] }
    }),
    { code: 'VALIDATION_ERROR', details: { issues: [/^steps: are 3/] } }
  )
  t.match(
    await client.request('procedures.register', {
      procedure: {
        name: 'p',
        steps: [{ action: 'if', condition: { ref: 'x', operator: 'exists' }, then: [returnStep(1)] }]
      }
    }),
    { code: 'VALIDATION_ERROR', details: { issues: [/^steps\[0\]: is nested too deep/] } }
  )

  t.test('what a procedure makes is bounded', async t => {
    const { client, run } = await serveProcedures(t)
    const text = 'x'.repeat(100_000)
    for (let i = 0; i < 20; i++) {
      await client.ask('store.insert', { bucket: 'items', data: { id: `${i}`, name: text } })
    }
    const all = { action: 'store.where', bucket: 'items', filter: {}, as: 'all' }
    const tooMuch: ReadonlyArray<readonly [title: string, steps: readonly object[]]> = [
      ['a record', [all, insertStep({ name: '{{ all }}{{ all }}' })]],
      [
        'a value within it',
        [
          { action: 'store.get', bucket: 'items', key: '0', as: 'item' },
          insertStep({ list: Array.from({ length: 50 }, () => '{{ item }}') })
        ]
      ],
      ['the results together', Array.from({ length: 9 }, (_, i) => ({ ...all, as: `all ${i}` }))],
      ['the answer', [all, returnStep(Array.from({ length: 9 }, () => '{{ all }}'))]]
    ]
    for (const [title, steps] of tooMuch) {
      t.match(await run(steps), { code: 'VALIDATION_ERROR', message: /more than \d+ characters/ }, title)
    }
    t.match(await run([all, returnStep('{{ all.length }}')]), { data: { result: 20 } })
  })

  t.test('what is put into one another call after call does not nest without end', async t => {
    const { client } = await serveProcedures(t)
    await client.ask('procedures.register', {
      procedure: {
        name: 'nest',
        steps: [
          { action: 'store.get', bucket: 'items', key: 'it', as: 'it' },
          { action: 'store.update', bucket: 'items', key: 'it', data: { inner: { of: '{{ it.inner }}' } } }
        ]
      }
    })
    await client.ask('store.insert', { bucket: 'items', data: { id: 'it' } })
    const codes = new Set<unknown>()
    for (let i = 0; i < 40; i++) {
      codes.add((await client.request('procedures.call', { name: 'nest' }))['code'])
    }
    t.same([...codes], [undefined, 'VALIDATION_ERROR'])
  })

  t.test('so is the number of procedures', async t => {
    const { connect, store } = await serve(t)
    await store
      .bucket('_procedures')
      .insertMany(
        Array.from({ length: 1_000 }, (_, i) => ({
          name: `p${i}`,
          definition: { name: `p${i}`, steps: [returnStep(i)] }
        }))
      )
    const client = await connect()
    t.equal(
      (await client.ask('procedures.call', { name: 'p999' })).result,
      999,
      'those that the application has put there can be called'
    )
    t.equal(await client.code('procedures.register', { procedure: greeting }), 'RATE_LIMITED')
    await client.ask('procedures.unregister', { name: 'p0' })
    await client.ask('procedures.register', { procedure: greeting })
    t.equal((await client.ask('procedures.list')).procedures.length, 1_000)
  })
})
