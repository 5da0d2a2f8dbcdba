import { bridgeStoreToRules, Store } from '@hamicek/noex-store'
import t from 'tap'
import type { Event } from '../../src/index.js'
import { onTopic, recordEvents, startEngine } from '../support/start-engine.js'

type Options = Parameters<typeof bridgeStoreToRules>[2]

async function bridge (
  t: Parameters<typeof startEngine>[0],
  options?: Options,
  services: Record<string, object> = {}
) {
  const store = await Store.start({ name: `bridge-${Math.random()}` })
  t.teardown(() => store.stop())
  await store.defineBucket('users', {
    key: 'id',
    schema: { id: { type: 'string', required: true }, name: { type: 'string' }, visits: { type: 'number' } }
  })
  const started = await startEngine(t, { services })
  const events = recordEvents(started.engine, '*')
  const teardown = await bridgeStoreToRules(store, started.engine, options)
  const settled = async (): Promise<void> => {
    await store.settle()
    await started.engine.waitForProcessingQueue()
  }
  return { ...started, store, events, settled, teardown }
}

const topicsOf = (events: readonly Event[]): string[] => events.map(({ topic }) => topic)

t.test('inserts, updates and deletes of a store trigger rules, in the order of the changes', async t => {
  const { engine, store, events, settled } = await bridge(t)
  const patterns = [
    'bucket.users.inserted', 'bucket.users.*', 'bucket.*.inserted', 'bucket.*', 'bucket.*.*',
    '*.users.deleted', 'bucket.orders.*'
  ]
  for (const pattern of patterns) {
    engine.registerRule(onTopic(
      pattern, { id: pattern, actions: [{ type: 'set_fact', key: pattern, value: { ref: 'event.type' } }] }
    ))
  }
  engine.registerRule(onTopic('bucket.users.updated', {
    conditions: [{
      source: {
        type: 'event', field: 'newRecord.visits'
      },
      operator: 'gt',
      value: { ref: 'event.oldRecord.visits' }
    }],
    actions: [{ type: 'emit_event', topic: 'more', data: { name: { ref: 'event.newRecord.name' } } }]
  }))
  const users = store.bucket('users')
  await users.insert({ id: 'a', name: 'Ann', visits: 1 })
  await users.update('a', { visits: 2 })
  await users.update('a', { visits: 1 })
  await users.delete('a')
  await settled()
  t.same(topicsOf(events), [
    'bucket.users.inserted', 'bucket.users.updated', 'more', 'bucket.users.updated', 'bucket.users.deleted'
  ])
  t.match(events[0]?.data, { type: 'inserted', bucket: 'users', key: 'a', record: { name: 'Ann' } })
  t.same(events[2]?.data, { name: 'Ann' })
  t.same(engine.getAllFacts().map(({ key, value }) => [key, value]).sort(), [
    [
      '*.users.deleted', 'deleted'
    ], ['bucket.*', 'deleted'], ['bucket.*.*', 'deleted'], ['bucket.*.inserted', 'inserted'],
    ['bucket.users.*', 'deleted'], ['bucket.users.inserted', 'inserted']
  ])
})

t.test('a transaction is an event per record, once it is committed', async t => {
  const { store, events, settled } = await bridge(t)
  await store.bucket('users').insert({ id: 'old', visits: 1 })
  await settled()
  events.length = 0
  await t.rejects(store.transaction(async transaction => {
    await (await transaction.bucket('users')).insert({ id: 'never' })
    throw new Error('rolled back')
  }))
  await store.transaction(async transaction => {
    const users = await transaction.bucket('users')
    await users.insert({ id: 'a', visits: 1 })
    await users.insert({ id: 'b', visits: 1 })
    await users.update('old', { visits: 2 })
    await settled()
    t.same(events, [])
  })
  await settled()
  t.same(topicsOf(events).sort(), ['bucket.users.inserted', 'bucket.users.inserted', 'bucket.users.updated'])
})

t.test('records that expire are deleted ones', async t => {
  const { store, events, settled } = await bridge(t)
  await store.defineBucket('codes', { key: 'id', schema: { id: { type: 'string', required: true } }, ttl: 1 })
  await store.bucket('codes').insert({ id: 'x' })
  await new Promise(resolve => { setTimeout(resolve, 20) })
  await store.purgeTtl()
  await settled()
  t.same(topicsOf(events), ['bucket.codes.inserted', 'bucket.codes.deleted'])
})

t.test('the bridge may filter events, and give them other topics and data', async t => {
  const { store, events, settled, teardown } = await bridge(t, {
    filter: ({ type }) => type !== 'updated',
    mapTopic: (topic, { key }) => `${topic.split('.')[2]}.${String(key)}`,
    mapData: ({ key }) => ({ id: key })
  })
  const users = store.bucket('users')
  await users.insert({ id: 'a', visits: 1 })
  await users.update('a', { visits: 2 })
  await users.delete('a')
  await settled()
  t.match(events, [{ topic: 'inserted.a', data: { id: 'a' } }, { topic: 'deleted.a', data: { id: 'a' } }])
  await teardown()
  await users.insert({ id: 'b' })
  await settled()
  t.equal(events.length, 2)
})

t.test('a rule whose service writes to the store is stopped by the depth of its chain', async t => {
  const app = {
    visit: async (id: string) => {
      const user = await store.bucket('users')
        .get(id); await store.bucket('users').update(id, { visits: (user?.['visits'] as number) + 1 })
    }
  }
  const { engine, store, settled } = await bridge(t, undefined, { app })
  await store.bucket('users').insert({ id: 'a', visits: 0 })
  engine.registerRule(onTopic('bucket.users.updated', {
    actions: [{ type: 'call_service', service: 'app', method: 'visit', args: [{ ref: 'event.key' }] }]
  }))
  await store.bucket('users').update('a', { visits: 1 })
  await settled()
  t.match(await store.bucket('users').get('a'), { visits: 11 })
  t.match(engine.getStats(), { rulesExecuted: 10, chainsDropped: 1, servicesTimedOut: 0 })
})

t.test('a stopped engine does not disturb the store', async t => {
  const { engine, store } = await bridge(t)
  await engine.stop()
  const users = store.bucket('users')
  await users.insert({ id: 'a', visits: 1 })
  await users.update('a', { visits: 2 })
  await store.settle()
  t.match(await users.get('a'), { visits: 2 })
})

t.test('a rule that is slow does not keep a write of the store waiting', async t => {
  const { engine, store, settled, events } = await bridge(
    t, undefined, { app: { wait: () => new Promise<void>(resolve => { release = resolve }) } }
  )
  let release = (): void => {}
  engine.registerRule(onTopic('bucket.users.inserted', {
    actions: [
      {
        type: 'call_service', service: 'app', method: 'wait'
      }, { type: 'emit_event', topic: 'done', data: {} }
    ]
  }))
  await store.bucket('users').insert({ id: 'a' })
  await store.bucket('users').update('a', { visits: 1 })
  await store.settle()
  t.same(topicsOf(events), ['bucket.users.inserted'])
  release()
  await settled()
  t.same(topicsOf(events), ['bucket.users.inserted', 'done', 'bucket.users.updated'])
})
