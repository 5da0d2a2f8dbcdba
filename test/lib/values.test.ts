import t from 'tap'
import { repetitions } from '../../lib/store/pattern-cost.js'
import { ValueGuard } from '../../lib/store/value-guard.js'
import { serve } from '../helper.js'

t.test('repetitions tells how matching a pattern grows', async t => {
  const table: ReadonlyArray<readonly [pattern: string, power: number]> = [
    ['^abc$', 0],
    ['abc', 1],
    ['^[a-z]+$', 1],
    ['[a-z]+', 2],
    ['^a+|b$', 2],
    ['^[a-z*+?{2}()]+$', 1],
    ['^\\d{3}-\\d+\\*\\+$', 2],
    ['^(?:ab)+$', 1],
    ['^(?<year>\\d+)-(?=x)y*?$', 2],
    ['^a{2}b{1,}c{,3}$', 2],
    ['^[^\\]]+\\](.*)(.*)$', 3],
    ['(.*)(.*)(.*)x', 4],
    ['(a|a)*$', Infinity],
    ['^(a+)+$', Infinity],
    ['^((a|b)c)*$', Infinity],
    ['^(a?){30}$', Infinity],
    ['^(a+)\\1$', Infinity],
    ['^(?<n>a)\\k<n>$', Infinity]
  ]
  for (const [pattern, power] of table) t.equal(repetitions(pattern), power, pattern)
  for (let i = 0; i < 1_001; i++) repetitions(`^a{${i}}$`)
  t.equal(repetitions('^[a-z]+$'), 1, 'what was forgotten is counted again')
})

t.test('ValueGuard refuses texts whose matching would keep the server busy', async t => {
  const text = (more: object) => ({ type: 'string' as const, ...more })
  const definition = {
    key: 'id',
    schema: {
      id: text({}),
      mail: text({ format: 'email' }),
      slow: text({ pattern: '(a|a)*$' }),
      steep: text({ pattern: '(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)x' }),
      list: { type: 'array' as const, items: text({ pattern: '(a|a)*$' }) },
      nest: { type: 'object' as const, properties: { slow: text({ pattern: '(a|a)*$' }) } }
    }
  }
  const issuesOf = (data: object): unknown => {
    try {
      new ValueGuard().check(definition, { ...data })
      return []
    } catch (error) {
      return ((error as { details: Array<{ field: string, code: string }> }).details).map(({ field, code }) => [field, code])
    }
  }
  const evil = `${'a'.repeat(40)}!`
  t.same(issuesOf({ id: 'x'.repeat(100_000), mail: 'a@b.cz', slow: 'aaa', steep: 'abcx', list: ['aa', 5], nest: { slow: 'a' } }), [])
  t.same(issuesOf({ mail: `a@${'a.'.repeat(30_000)}@` }), [['mail', 'format']])
  t.same(issuesOf({ slow: evil }), [['slow', 'pattern']])
  t.same(issuesOf({ steep: `${'a'.repeat(2_000)}\n` }), [['steep', 'pattern']])
  t.same(issuesOf({ list: ['a', evil], nest: { slow: evil } }), [['list[1]', 'pattern'], ['nest.slow', 'pattern']])
  t.same(issuesOf({ slow: 'b'.repeat(50) }), [], 'what matches or fails at once is left to the store')
  const items = Array.from({ length: 1_000 }, () => evil)
  const started = performance.now()
  t.equal((issuesOf({ list: items }) as unknown[]).length, 1_000)
  t.ok(performance.now() - started < 2_000, 'a whole request is bounded, too')
})

t.test('Every way to write is guarded', async t => {
  const { connect, store } = await serve(t)
  await store.defineBucket('people', { key: 'id', schema: { id: { type: 'string' }, mail: { type: 'string', format: 'email' } } })
  const client = await connect()
  const bucket = 'people'
  const mail = `a@${'a.'.repeat(30_000)}@`
  await client.ask('store.insert', { bucket, data: { id: 'x', mail: 'a@b.cz' } })
  const writes: ReadonlyArray<readonly [type: string, fields: object]> = [
    ['store.insert', { data: { id: 'y', mail } }],
    ['store.insertMany', { data: [{ id: 'y', mail }] }],
    ['store.upsert', { data: { id: 'y', mail } }],
    ['store.upsert', { data: { id: 'x', mail } }],
    ['store.update', { key: 'x', data: { mail } }],
    ['store.updateMany', { filter: {}, data: { mail } }],
    ...[
      { op: 'insert', data: { id: 'y', mail } },
      { op: 'upsert', data: { id: 'x', mail } },
      { op: 'update', key: 'x', data: { mail } },
      { op: 'updateMany', filter: {}, data: { mail } }
    ].map(entry => ['store.transaction', { operations: [{ bucket, ...entry }] }] as const)
  ]
  for (const [type, fields] of writes) {
    t.match(await client.request(type, { bucket, ...fields }), { code: 'VALIDATION_ERROR', details: [{ field: 'mail', code: 'format' }] }, type)
  }
  t.match(await client.ask('store.all', { bucket }), [{ id: 'x', mail: 'a@b.cz', _version: 1 }])
})

t.test('A filter has a bound, and does not see what every object has', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  await client.ask('store.insert', { bucket: 'items', data: { n: 1 } })
  const or = (length: number) => ({ $or: Array.from({ length }, (_, n) => ({ n })) })
  t.equal(await client.ask('store.count', { bucket: 'items', filter: or(249) }), 1)
  t.match(await client.request('store.count', { bucket: 'items', filter: or(250) }), { code: 'VALIDATION_ERROR', message: /250/ })
  for (const name of ['constructor', 'valueOf', 'hasOwnProperty']) {
    t.equal(await client.code('store.deleteMany', { bucket: 'items', filter: { [name]: { $exists: true } } }), 'VALIDATION_ERROR')
    for (const value of [`{{ params.${name} }}`, { $eq: `{{params.${name}}}` }]) {
      t.equal(await client.code('store.defineQuery', { name: 'q', config: { bucket: 'items', filter: { n: value } } }), 'VALIDATION_ERROR')
    }
  }
  t.equal(await client.ask('store.count', { bucket: 'items' }), 1)
})
