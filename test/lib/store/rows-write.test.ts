import t from 'tap'
import type { BucketDefinition, WhereFilter } from '@hamicek/noex-store'
import type { RowScope } from '../../../lib/store/row-scope.js'
import { SharedStore } from '../../../lib/store/shared-store.js'
import { Writes } from '../../../lib/store/writes.js'
import { everything, ids, mine, open, refusal, untouched, withNotes, within } from '../../support/rows.js'

type Write = readonly [
  title: string,
  write: (sharedStore: SharedStore, rowScope: RowScope) => Promise<unknown>,
  result: object | string | number,
  state?: readonly string[]
]

const writes: readonly Write[] = [
  [
    'insert inside',
    (a, r) => new Writes(a, r).insert('notes', { id: 'n', owner: 'me' }),
    { id: 'n', _version: 1 },
    [...untouched, 'n me undefined']
  ],
  ['insert outside', (a, r) => new Writes(a, r).insert('notes', { id: 'n', owner: 'you' }), 'FORBIDDEN'],
  ['insert without a user', (a, r) => new Writes(a, r).insert('notes', { id: 'n' }), 'FORBIDDEN'],
  [
    'insert that does not fit',
    (a, r) => new Writes(a, r).insert('notes', { id: 'n', owner: 'me', text: 'much too long' }),
    'VALIDATION_ERROR'
  ],
  ['insert without a key', (a, r) => new Writes(a, r).insert('notes', { owner: 'me' }), 'VALIDATION_ERROR'],
  [
    'insert with a key that is taken inside',
    (a, r) => new Writes(a, r).insert('notes', { id: 'm1', owner: 'me' }),
    'ALREADY_EXISTS'
  ],
  [
    'insert with a key that is taken outside',
    (a, r) => new Writes(a, r).insert('notes', { id: 'o1', owner: 'me' }),
    'ALREADY_EXISTS'
  ],
  [
    'insert with a unique value that is taken outside',
    (a, r) => new Writes(a, r).insert('notes', { id: 'n', owner: 'me', code: 'O' }),
    'ALREADY_EXISTS'
  ],
  [
    'insertMany inside',
    (a, r) => new Writes(a, r).insertMany('notes', [{ id: 'n', owner: 'me' }, { id: 'p', owner: 'me' }]),
    [{ id: 'n' }, { id: 'p' }],
    [...untouched, 'n me undefined', 'p me undefined']
  ],
  ['insertMany of nothing', (a, r) => new Writes(a, r).insertMany('notes', []), []],
  [
    'insertMany with one outside',
    (a, r) => new Writes(a, r).insertMany('notes', [{ id: 'n', owner: 'me' }, { id: 'p', owner: 'you' }]),
    'FORBIDDEN'
  ],
  [
    'insertMany with a key twice',
    (a, r) => new Writes(a, r).insertMany('notes', [{ id: 'n', owner: 'me' }, { id: 'n', owner: 'me' }]),
    'ALREADY_EXISTS'
  ],
  [
    'upsert of a new record inside',
    (a, r) => new Writes(a, r).upsert('notes', { id: 'n', owner: 'me' }),
    { id: 'n' },
    [...untouched, 'n me undefined']
  ],
  [
    'upsert of a new record outside',
    (a, r) => new Writes(a, r).upsert('notes', { id: 'n', owner: 'you' }),
    'FORBIDDEN'
  ],
  [
    'upsert inside',
    (a, r) => new Writes(a, r).upsert('notes', { id: 'm1', text: 'z' }),
    { id: 'm1', _version: 2 },
    ['m1 me z', ...untouched.slice(1)]
  ],
  [
    'upsert that leads outside',
    (a, r) => new Writes(a, r).upsert('notes', { id: 'm1', owner: 'you' }),
    'FORBIDDEN'
  ],
  ['upsert outside', (a, r) => new Writes(a, r).upsert('notes', { id: 'o1', text: 'z' }), 'FORBIDDEN'],
  [
    'upsert that takes over a record',
    (a, r) => new Writes(a, r).upsert('notes', { id: 'o1', owner: 'me' }),
    'FORBIDDEN'
  ],
  [
    'upsert with an object for a key',
    (a, r) => new Writes(a, r).upsert('notes', { id: {}, owner: 'me' }),
    'VALIDATION_ERROR'
  ],
  [
    'update inside',
    (a, r) => new Writes(a, r).update('notes', 'm1', { text: 'z' }),
    { id: 'm1', text: 'z', _version: 2 },
    ['m1 me z', ...untouched.slice(1)]
  ],
  [
    'update that leads outside',
    (a, r) => new Writes(a, r).update('notes', 'm1', { owner: 'you' }),
    'FORBIDDEN'
  ],
  ['update outside', (a, r) => new Writes(a, r).update('notes', 'o1', { text: 'z' }), 'FORBIDDEN'],
  [
    'update outside that does not fit',
    (a, r) => new Writes(a, r).update('notes', 'o1', { text: 'much too long' }),
    'FORBIDDEN'
  ],
  [
    'update that takes over a record',
    (a, r) => new Writes(a, r).update('notes', 'o1', { owner: 'me' }),
    'FORBIDDEN'
  ],
  [
    'update of a missing record',
    (a, r) => new Writes(a, r).update('notes', 'nope', { text: 'z' }),
    'NOT_FOUND'
  ],
  [
    'updateMany',
    (a, r) => new Writes(a, r).updateMany('notes', { text: 'a' }, { text: 'z' }),
    1,
    ['m1 me z', ...untouched.slice(1)]
  ],
  [
    'updateMany of everything',
    (a, r) => new Writes(a, r).updateMany('notes', {}, { text: 'z' }),
    2,
    ['m1 me z', 'o1 you a', 'm2 me z', 'o2 you b']
  ],
  [
    'updateMany that stays inside',
    (a, r) => new Writes(a, r).updateMany('notes', {}, { owner: 'me', text: 'z' }),
    2,
    ['m1 me z', 'o1 you a', 'm2 me z', 'o2 you b']
  ],
  [
    'updateMany that leads outside',
    (a, r) => new Writes(a, r).updateMany('notes', { text: 'a' }, { owner: 'you' }),
    'FORBIDDEN'
  ],
  [
    'updateMany that asks for others',
    (a, r) => new Writes(a, r).updateMany('notes', { owner: 'you' }, { owner: 'me' }),
    0
  ],
  [
    'updateMany that does not fit',
    (a, r) => new Writes(a, r).updateMany('notes', {}, { text: 'much too long' }),
    'VALIDATION_ERROR'
  ],
  ['delete inside', (a, r) => new Writes(a, r).delete('notes', 'm1'), 'done', untouched.slice(1)],
  ['delete outside', (a, r) => new Writes(a, r).delete('notes', 'o1'), 'FORBIDDEN'],
  ['delete of a missing record', (a, r) => new Writes(a, r).delete('notes', 'nope'), 'done'],
  [
    'update inside at its version',
    (a, r) => new Writes(a, r).update('notes', 'm1', { text: 'z' }, 1),
    { id: 'm1', _version: 2 },
    ['m1 me z', ...untouched.slice(1)]
  ],
  [
    'update inside at another version',
    (a, r) => new Writes(a, r).update('notes', 'm1', { text: 'z' }, 2),
    'CONFLICT'
  ],
  [
    'update outside at its version',
    (a, r) => new Writes(a, r).update('notes', 'o1', { text: 'z' }, 1),
    'FORBIDDEN'
  ],
  [
    'update outside at another version',
    (a, r) => new Writes(a, r).update('notes', 'o1', { text: 'z' }, 2),
    'FORBIDDEN'
  ],
  [
    'upsert outside at another version',
    (a, r) => new Writes(a, r).upsert('notes', { id: 'o1', text: 'z' }, 2),
    'FORBIDDEN'
  ],
  [
    'upsert inside at another version',
    (a, r) => new Writes(a, r).upsert('notes', { id: 'm1', text: 'z' }, 2),
    'CONFLICT'
  ],
  ['delete outside at another version', (a, r) => new Writes(a, r).delete('notes', 'o1', 2), 'FORBIDDEN'],
  ['delete inside at another version', (a, r) => new Writes(a, r).delete('notes', 'm1', 2), 'CONFLICT'],
  ['deleteMany', (a, r) => new Writes(a, r).deleteMany('notes', { text: 'a' }), 1, untouched.slice(1)],
  [
    'deleteMany of everything',
    (a, r) => new Writes(a, r).deleteMany('notes', {}),
    2,
    ['o1 you a', 'o2 you b']
  ],
  ['deleteMany that asks for others', (a, r) => new Writes(a, r).deleteMany('notes', { owner: 'you' }), 0],
  ['clear', (a, r) => new Writes(a, r).clear('notes'), 'FORBIDDEN'],
  [
    'a write to a bucket that is not there',
    (a, r) => new Writes(a, r).insert('nope', {}),
    'BUCKET_NOT_DEFINED'
  ],
  [
    'a delete in a bucket that is not there',
    (a, r) => new Writes(a, r).deleteMany('nope', {}),
    'BUCKET_NOT_DEFINED'
  ]
]

t.test('Writes under a row filter change no record outside of it, and make none', async t => {
  const replies: BucketDefinition = {
    key: 'id',
    schema: { id: { type: 'string' }, note: { type: 'string', ref: 'notes', onDelete: 'cascade' } }
  }
  for (const more of [{}, { replies }]) {
    for (const [title, write, result, state = untouched] of writes) {
      const opened = await withNotes(t, more)
      if (typeof result === 'string' && result !== 'done') {
        const { code, message } = await refusal(write(opened.sharedStore, within(mine)))
        t.equal(code, result, title)
        if (result === 'FORBIDDEN') t.notMatch(message, /\bme\b|[mo][12]/, 'the refusal holds no values')
      } else {
        t.match(await write(opened.sharedStore, within(mine)) ?? 'done', result, title)
      }
      t.same(await opened.state(), state, title)
    }
  }
})

t.test(
  'Filters that name fields of the store, or have several parts, hold for what a write makes',
  async t => {
    const { sharedStore, state } = await withNotes(t)
    const table: ReadonlyArray<readonly [rows: WhereFilter, code: string]> = [
      [{ _version: 1 }, 'FORBIDDEN'],
      [{ $and: [{ owner: 'me' }, { $or: [{ text: 'a' }, { text: 'b' }] }] }, 'FORBIDDEN'],
      [{ owner: 'me', text: { $neq: 'z' } }, 'FORBIDDEN'],
      [{ $or: [] }, 'none']
    ]
    for (const [rows, code] of table) {
      const update = new Writes(sharedStore, within(rows)).updateMany('notes', {}, { text: 'z' })
      t.equal((await refusal(update)).code, code, JSON.stringify(rows))
      t.same(await state(), untouched)
    }
    const either = within({ $or: [{ owner: 'me' }, { owner: 'they' }] })
    t.equal(await new Writes(sharedStore, either).updateMany('notes', {}, { text: 'z' }), 2)
  }
)

t.test('Values that the store fills into a new record count', async t => {
  const { store, sharedStore } = await open(t, {
    numbered: {
      key: 'id',
      schema: { id: { type: 'number', generated: 'autoincrement' }, owner: { type: 'string', default: 'me' } }
    },
    random: {
      key: 'id',
      schema: { id: { type: 'string', generated: 'uuid' }, owner: { type: 'string', default: () => 'you' } }
    },
    brief: { key: 'id', schema: { id: { type: 'string' }, owner: { type: 'string' } }, ttl: '1h' },
    small: { key: 'id', schema: { id: { type: 'string' }, owner: { type: 'string' } }, maxSize: 1 }
  })
  t.match(await new Writes(sharedStore, within(mine)).insert('numbered', {}), { id: 1, owner: 'me' })
  t.match(await new Writes(sharedStore, within(mine)).insert('numbered', { id: 2 }), { id: 2 })
  t.match(
    await new Writes(sharedStore, within(mine)).upsert('numbered', {}),
    { id: 3 },
    'a number that is taken is passed over'
  )
  t.match(
    await new Writes(sharedStore, within(mine)).insertMany('numbered', [{}, { owner: 'me' }]),
    [{ id: 4 }, { id: 5 }]
  )
  const low = within({ id: { $lt: 6 } })
  t.equal((await refusal(new Writes(sharedStore, low).insert('numbered', {}))).code, 'FORBIDDEN')
  t.equal((await refusal(new Writes(sharedStore, within(mine)).insert('random', {}))).code, 'FORBIDDEN')
  t.match(await new Writes(sharedStore, within({ owner: 'you', _version: 1 })).insert('random', {}), {
    id: String, owner: 'you'
  })
  const before = Date.now()
  const { _expiresAt } = await new Writes(sharedStore, within(mine)).insert('brief', {
    id: 'a', owner: 'me', _expiresAt: 1e15
  })
  t.ok(_expiresAt !== undefined && _expiresAt >= before + 3_600_000 && _expiresAt <= Date.now() + 3_600_000)
  await new Writes(sharedStore, everything).insert('small', { id: 'o', owner: 'you' })
  await new Writes(sharedStore, within(mine)).insert('small', { id: 'm', owner: 'me' })
  t.same(
    ids(await store.bucket('small').all()),
    ['m'],
    'a full bucket gives up its oldest record, also one that the client may not see'
  )
})

t.test('A key that is taken is answered as without a row filter', async t => {
  const { sharedStore } = await open(t, {
    notes: { key: 'id', schema: { id: { type: 'string' }, owner: { type: 'string' } } },
    fixed: { key: 'id', schema: { id: { type: 'string', default: 'only' }, owner: { type: 'string' } } }
  })
  const data = { id: 'x', owner: 'me' }
  await new Writes(sharedStore, everything).insert('notes', data)
  await new Writes(sharedStore, everything).insert('fixed', { owner: 'me' })
  const table: ReadonlyArray<(rowScope: RowScope) => Promise<unknown>> = [
    rowScope => new Writes(sharedStore, rowScope).insert('notes', data),
    rowScope => new Writes(sharedStore, rowScope).insertMany('notes', [{ ...data, id: 'y' }, data]),
    rowScope =>
      new Writes(sharedStore, rowScope).insertMany('notes', [
        { ...data, id: 'y' },
        { ...data, id: 'y' }
      ]),
    rowScope => new Writes(sharedStore, rowScope).insert('fixed', { owner: 'me' })
  ]
  for (const insert of table) {
    const plain = await refusal(insert(everything))
    t.match(plain, { code: 'ALREADY_EXISTS', details: { field: 'id', value: String } })
    t.same(await refusal(insert(within(mine))), plain)
  }
})

t.test('The effects of a deletion on records that refer to it are not limited', async t => {
  const { store, sharedStore } = await withNotes(t, {
    replies: {
      key: 'id',
      schema: {
        id: { type: 'string' },
        owner: { type: 'string' },
        note: { type: 'string', ref: 'notes', onDelete: 'cascade' },
        seen: { type: 'string', ref: 'notes', onDelete: 'set_null' }
      }
    }
  })
  const replies = store.bucket('replies')
  await replies.insertMany([
    { id: 'a', owner: 'you', note: 'm1' },
    { id: 'b', owner: 'you', seen: 'm2' },
    { id: 'c', owner: 'you', note: 'o1' }
  ])
  await new Writes(sharedStore, within(mine)).delete('notes', 'm1')
  t.equal(await new Writes(sharedStore, within(mine)).deleteMany('notes', {}), 1)
  t.match(await replies.all(), [{ id: 'b', seen: null }, { id: 'c', note: 'o1' }])
})
