import t from 'tap'
import { FileAdapter, Store } from '../../../lib/exports/store.js'
import { serve, startStore } from '../../support/service.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { returnStep, greeting } from '../../support/procedures.js'
import { logText } from '../../support/log-into.js'

t.test('[G-G7] procedures', async t => {
  t.test('survive a restart with a persistent store', async t => {
    const directory = temporaryDirectory(t)
    const open = async (): Promise<Store> =>
      await Store.start({ name: 'procedures', persistence: { adapter: new FileAdapter({ directory }) } })
    const first = await open()
    const before = await serve(t, {}, { store: first })
    const client = await before.connect()
    const whole = {
      ...greeting,
      input: { name: { type: 'string', default: 'you' } },
      timeoutMs: 500,
      transaction: true
    }
    await client.ask('procedures.register', { procedure: whole })
    await client.ask('procedures.register', { procedure: { ...greeting, name: 'gone' } })
    await client.ask('procedures.unregister', { name: 'gone' })
    await client.ask('procedures.update', { name: 'greet', updates: { description: 'changed' } })
    await before.app.close()
    await first.stop()

    const second = await open()
    t.teardown(async () => { await second.stop() })
    const after = await serve(t, {}, { store: second })
    t.teardown(async () => { await after.app.close() })
    const returning = await after.connect()
    t.same(await returning.ask('procedures.get', { name: 'greet' }), { ...whole, description: 'changed' })
    t.equal((await returning.ask('procedures.call', { name: 'greet' })).result, 'Hello you')
    t.equal((await returning.ask('procedures.list')).procedures.length, 1)
  })

  t.test('are the same for every instance on the store', async t => {
    const store = await startStore(t)
    const [one, two] = [await serve(t, {}, { store }), await serve(t, {}, { store })]
    await (await one.connect()).ask('procedures.register', { procedure: greeting })
    t.equal(
      (await (await two.connect()).ask('procedures.call', { name: 'greet', input: { name: 'x' } })).result,
      'Hello x'
    )
    await one.app.close()
    await (await two.connect()).ask('procedures.unregister', { name: 'greet' })
    t.same(await (await two.connect()).ask('procedures.list'), { procedures: [] })
  })

  t.test('follow what the application does to their bucket, and do not count when they are none', async t => {
    const { logger, logged } = logText()
    const { connect, store } = await serve(t, {}, { fastify: { logger } })
    const client = await connect()
    await client.ask('procedures.register', { procedure: greeting })
    const bucket = store.bucket('_procedures')
    await bucket.update('greet', { definition: { name: 'greet', steps: [returnStep('changed')] } })
    t.equal((await client.ask('procedures.call', { name: 'greet' })).result, 'changed')
    for (const definition of [{ name: 'greet', steps: [] }, { name: 'other', steps: [returnStep(1)] }, {}]) {
      await bucket.update('greet', { definition })
      t.equal(
        await client.code('procedures.call', { name: 'greet' }),
        'NOT_FOUND',
        JSON.stringify(definition)
      )
    }
    t.match(logged(), /does not count/)
    await bucket.update('greet', { definition: { name: 'greet', steps: [returnStep('back')] } })
    t.equal((await client.ask('procedures.call', { name: 'greet' })).result, 'back')
    await bucket.clear()
    await store.updateBucket('_procedures', {})
    await client.settled()
    t.same(await client.ask('procedures.list'), { procedures: [] })
  })

  t.test('that were registered under larger limits are not run', async t => {
    const store = await startStore(t)
    const before = await serve(t, {}, { store })
    await (
      await before.connect()
    ).ask('procedures.register', {
      procedure: { name: 'long', steps: [returnStep(1), returnStep(2), returnStep(3)] }
    })
    await before.app.close()
    const after = await serve(t, { procedures: { maxSteps: 2 } }, { store })
    t.equal(await (await after.connect()).code('procedures.call', { name: 'long' }), 'VALIDATION_ERROR')
  })

  t.test('do not start on a bucket of that name that is something else', async t => {
    const store = await startStore(t)
    await store.defineBucket('_procedures', {
      key: 'id',
      schema: { id: { type: 'number', generated: 'autoincrement' } }
    })
    await t.rejects(serve(t, {}, { store }), /_procedures/)
  })
})
