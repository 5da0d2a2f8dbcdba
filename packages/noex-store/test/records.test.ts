import { execFileSync } from 'node:child_process'
import { test } from 'tap'
import {
  DefinitionError, RecordExistsError, SchemaValidator, ValidationError, type FieldDefinition
} from '../src/index.js'
import { FakeClock, rejection, startStore, users } from './support/store.js'

/** How many records with this date a process in a time zone finds at noon of the first day of 2024 in UTC. */
function foundAtNoon (zone: string, date: string): string {
  const program = `
    import { Store } from ${JSON.stringify(new URL('../src/index.js', import.meta.url).href)}
    const store = await Store.start({ name: 's' })
    await store.defineBucket('b', { key: 'id', schema: { id: { type: 'number' }, d: { type: 'date' } } })
    await store.bucket('b').insert({ id: 1, d: ${JSON.stringify(date)} })
    console.log(await store.bucket('b').count({ d: Date.UTC(2024, 0, 1, 12) }))
    await store.stop()`
  const env = { ...process.env, TZ: zone, NODE_OPTIONS: '' }
  return execFileSync(
    process.execPath,
    ['--input-type=module', '--eval', program],
    { env, encoding: 'utf8' }
  ).trim()
}

test('dates', async t => {
  t.test('are days of the calendar', async t => {
    const store = await startStore(t)
    await store.defineBucket('b', { key: 'id', schema: { id: { type: 'number' }, d: { type: 'date' } } })
    const bucket = store.bucket('b')
    let id = 0
    const badDates = [
      '2023-02-29', '2024-02-30', '2024-02-31T12:00:00Z', '2024-04-31', '2024-00-01', '2024-13-01',
      '2024-01-00', '1900-02-29T00:00', '2024-01-01T24:01Z', '2024-01-01T24:00:01Z', '2024-01-01T25:00Z',
      '2024-01-01T12:60Z'
    ]
    for (const d of badDates) {
      await t.rejects(
        bucket.insert({ id: id++, d }),
        { name: 'ValidationError', message: /d: Expected type "date"/ },
        d
      )
    }
    await bucket.insert({ id: id++, d: '2024-02-29' })
    await bucket.insert({ id: id++, d: '2000-02-29T23:59:59.5+02:00' })
    await bucket.insert({ id: id++, d: '2024-01-01T24:00:00Z' })
    t.equal(await bucket.count({ d: '2024-01-02' }), 1, '24:00 is the end of the day')
    t.equal(await bucket.count({ d: '2024-02-29' }), 1)
    t.equal(await bucket.count({ d: '2024-02-30' }), 0)
    t.equal(await bucket.count({ d: '2024-03-01' }), 0)
  })

  t.test('are the same in every time zone', async t => {
    for (const zone of ['UTC', 'America/New_York', 'Asia/Kolkata']) {
      for (const date of ['2024-01-01T12:00', '2024-01-01T12:00:00.000', '2024-01-01T17:30+05:30']) {
        t.equal(foundAtNoon(zone, date), '1', `${date} in ${zone}`)
      }
    }
  })
})

test('records', async t => {
  t.test('have generated fields, defaults and metadata, in this order', async t => {
    const clock = new FakeClock()
    const store = await startStore(t, clock)
    await store.defineBucket('orders', {
      key: 'id',
      schema: {
        id: { type: 'string', generated: 'uuid' },
        state: { type: 'string', default: 'open' },
        items: { type: 'array', default: () => [] },
        number: { type: 'number', generated: 'autoincrement' }
      }
    })
    const order = await store.bucket('orders').insert({ total: 5 })
    t.same(
      Object.keys(order), ['total', 'id', 'number', 'state', 'items', '_version', '_createdAt', '_updatedAt']
    )
    t.match(
      order,
      {
        total: 5,
        number: 1,
        state: 'open',
        items: [],
        _version: 1,
        _createdAt: clock.time,
        _updatedAt: clock.time
      }
    )
    t.match(await store.bucket('orders').insert({ total: 6 }), { number: 2 })
    const shaped = await store.bucket('orders').insert({ state: undefined, total: 7, id: 'x' })
    t.same(Object.keys(shaped).slice(0, 3), ['state', 'total', 'id'])
    t.match(shaped, { state: 'open', number: 3 })
  })

  t.test('are frozen, with everything in them, and are no part of the input', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    const input = { id: 'a', extra: { tags: ['x'] } }
    const record = await store.bucket('users').insert(input)
    input.extra.tags.push('y')
    t.same(record['extra'], { tags: ['x'] })
    t.ok(Object.isFrozen(record))
    t.ok(Object.isFrozen(record['extra']))
    t.ok(Object.isFrozen((record['extra'] as { tags: unknown }).tags))
    t.notOk(Object.isFrozen(input.extra))
    const updated = await store.bucket('users').update('a', { extra: input.extra })
    input.extra.tags.push('z')
    t.same(updated['extra'], { tags: ['x', 'y'] })
  })

  t.test('may hold members of any name', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    await store.bucket('users').insert({ id: 'plain' })
    const odd = JSON.parse(
      '{"id":"odd","__proto__":{"polluted":true},"constructor":1}'
    ) as Record<string, unknown>
    const record = await store.bucket('users').insert(odd)
    t.ok(Object.hasOwn(record, '__proto__'))
    t.equal(({} as Record<string, unknown>)['polluted'], undefined)
    const updated = await store.bucket('users').update(
      'plain', JSON.parse('{"__proto__":{"polluted":true}}') as Record<string, unknown>
    )
    t.ok(Object.hasOwn(updated, '__proto__'))
    t.equal(Object.getPrototypeOf(updated), Object.prototype)
  })

  t.test('of one bucket may have any number of shapes', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    for (let i = 0; i < 100; i++) {
      const record = await store.bucket('users').insert({ id: `${i}`, [`field${i % 50}`]: i })
      t.equal(record[`field${i % 50}`], i)
      t.equal(record['role'], 'user')
    }
  })

  t.test('keep their key and generated fields in an update', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    await store.bucket('users').insert({ id: 'a', name: 'A' })
    const updated = await store.bucket('users').update(
      'a', { id: 'b', _version: 99, _createdAt: 0, name: 'B' }
    )
    t.match(updated, { id: 'a', name: 'B', _version: 2 })
    t.not(updated._createdAt, 0)
  })

  t.test('are refused without a key, and with one that is taken', async t => {
    const store = await startStore(t)
    await store.defineBucket('things', { key: 'id', schema: { id: { type: 'string' } } })
    await t.rejects(store.bucket('things').insert({}), ValidationError)
    await store.bucket('things').insert({ id: 'a' })
    const error = await rejection(store.bucket('things').insert({ id: 'a', other: 1 }))
    t.ok(error instanceof RecordExistsError)
    t.equal(error.name, 'Error')
    t.equal(error.message, 'Record with key "a" already exists in bucket "things"')
    t.match(await store.bucket('things').get('a'), { other: undefined })
    for (const bad of [null, [], 'text', 5]) {
      await t.rejects(
        store.bucket('things').insert(bad as never), ValidationError
      )
    }
  })

  t.test('of 1 MB are stored, and counted in bytes', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    await store.bucket('users').insert({ id: 'big', name: 'x'.repeat(2 ** 20) })
    const { bytes } = await store.getStats()
    t.ok(bytes.total > 2 ** 20 && bytes.total < 2 ** 20 + 1_000)
    await store.bucket('users').delete('big')
    t.equal((await store.getStats()).bytes.total, 0)
  })
})

test('a validator', async t => {
  const issues = async (
    field: FieldDefinition, value: unknown
  ): Promise<Array<readonly [string, string]>> => {
    const validator = new SchemaValidator('b', { id: { type: 'string' }, f: field }, 'id')
    try {
      validator.prepareInsert({ id: 'a', f: value }, 1)
      return []
    } catch (error) {
      return (error as ValidationError).issues.map(({ field: path, code }) => [path, code] as const)
    }
  }

  t.test('names the field and the reason', async t => {
    t.same(await issues({ type: 'string', required: true }, null), [['f', 'required']])
    t.same(await issues({ type: 'number' }, NaN), [['f', 'type']])
    t.same(await issues({ type: 'number', min: 1, max: 0 }, 0.5), [['f', 'min'], ['f', 'max']])
    t.same(await issues({ type: 'string', enum: ['a'], minLength: 3, maxLength: 1 }, 'bb'),
      [['f', 'enum'], ['f', 'minLength'], ['f', 'maxLength']])
    t.same(await issues({ type: 'string', pattern: '^a+$' }, 'ab'), [['f', 'pattern']])
    t.same(await issues({ type: 'string', format: 'email' }, 'a@b'), [['f', 'format']])
    t.same(await issues({ type: 'string', format: 'iso-date' }, '2024-02-30'), [['f', 'format']])
    const list: FieldDefinition = { type: 'array', items: { type: 'number' } }
    const nested: FieldDefinition = { type: 'object', properties: { x: list } }
    t.same(await issues(nested, { x: [1, 'a'] }),
      [['f.x[1]', 'type']])
    t.same(
      await issues({ type: 'string', validate: value => value === 'a' ? 'bad' : undefined }, 'a'),
      [['f', 'custom']]
    )
  })

  t.test('takes a date that is a point in time, and no other', async t => {
    for (const date of [new Date(0), 0, '1970-01-01', '1970-01-01T00:00:00Z', '1970-01-01T01:00+01:00']) {
      t.same(await issues({ type: 'date' }, date), [], String(date))
    }
    for (const none of [new Date(NaN), NaN, Infinity, 'tomorrow', '1970-13-01', '', true, {}]) {
      t.same(await issues({ type: 'date' }, none), [['f', 'type']], String(none))
    }
  })

  t.test('gives up a pattern that takes too long', async t => {
    const [issue] = await issues({ type: 'string', pattern: '^(a+)+$' }, `${'a'.repeat(40)}!`)
    t.same(issue, ['f', 'pattern'])
  })

  t.test('that throws refuses the write with its error', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', { ...users, validate: () => { throw new RangeError('mine') } })
    await t.rejects(store.bucket('users').insert({ id: 'a' }), RangeError)
    t.equal(await store.bucket('users').count(), 0)
  })
})

test('a definition', async t => {
  t.test('that cannot work is refused by name', async t => {
    const store = await startStore(t)
    const id = { type: 'string' } as const
    for (const definition of [
      null, {}, { key: 'id', schema: {} }, { key: 'id', schema: { id }, indexes: ['x'] }, {
        key: 'id', schema: { id: { type: 'text' } }
      },
      { key: 'id', schema: { id: { type: 'object' } } }, {
        key: 'id', schema: { id, f: { type: 'string', pattern: '(' } }
      },
      { key: 'id', schema: { id }, maxSize: 0 }, { key: 'id', schema: { id }, maxBytes: 1.5 },
      { key: 'id', schema: { id, f: { type: 'string', ref: 'b', onDelete: 'set_null', required: true } } },
      { key: 'toString', schema: { id } }
    ]) {
      await t.rejects(
        store.defineBucket('b', definition as never), DefinitionError, JSON.stringify(definition)
      )
    }
    for (const name of ['', 'x'.repeat(1_001), 5]) {
      await t.rejects(store.defineBucket(name as string, { key: 'id', schema: { id } }), DefinitionError)
    }
    t.equal(store.hasBucket('b'), false)
    await t.rejects(store.defineBucket('b', { key: 'id', schema: { id }, ttl: 'soon' }), /Invalid TTL/)
  })

  t.test('does not follow later changes of what was given', async t => {
    const store = await startStore(t)
    const schema = { id: { type: 'string' as const }, n: { type: 'number' as const, max: 5 } }
    await store.defineBucket('b', { key: 'id', schema })
    schema.n.max = 100
    await t.rejects(store.bucket('b').insert({ id: 'a', n: 50 }), ValidationError)
  })

  t.test('may have any name and there may be 10,000', async t => {
    const store = await startStore(t)
    const names = [
      '__proto__', 'constructor', 'a.b', ' ', '\u0000', '🦆',
      ...Array.from({ length: 10_000 }, (_, i) => `b${i}`)
    ]
    for (const name of names) {
      await store.defineBucket(name, { key: 'id', schema: { id: { type: 'string' } } })
      await store.bucket(name).insert({ id: name === '' ? 'x' : name })
    }
    t.equal((await store.getStats()).buckets.count, names.length)
    t.match(await store.bucket('__proto__').get('__proto__'), { _version: 1 })
  })
})
