import t from 'tap'
import { Store, type BucketDefinition, type FieldDefinition } from '@hamicek/noex-store'

const definition: BucketDefinition = { key: 'id', schema: { id: { type: 'number' } } }

async function withRecords (
  t: { teardown: (end: () => Promise<void>) => void }, count: number
): Promise<Store> {
  const store = await Store.start({ name: 'new fields' })
  t.teardown(async () => { await store.stop() })
  await store.defineBucket('others', { key: 'id', schema: { id: { type: 'string' } } })
  await store.bucket('others').insert({ id: 'there' })
  await store.defineBucket('b', definition)
  const records = Array.from({ length: count }, (_, id) => ({ id }))
  await store.bucket('b').insertMany(records)
  await store.bucket('b').insert({ id: -5, q: 'text', p: 'nowhere', r: 'there', list: ['a', 1] })
  return store
}

const refused: ReadonlyArray<readonly [
  title: string,
  name: string,
  field: FieldDefinition,
  message: RegExp
]> = [
  ['a type', 'q', { type: 'number' }, /key "-5".*"q"/],
  ['a constraint', 'q', { type: 'string', maxLength: 3 }, /key "-5".*"q"/],
  ['an item', 'list', { type: 'array', items: { type: 'string' } }, /key "-5".*"list\[1\]|list\.1/],
  ['a reference', 'p', { type: 'string', ref: 'others' }, /key "-5".*"p"/]
]

for (const count of [1, 5_000]) {
  t.test(`A new field that a record does not fit is refused: ${count} others`, async t => {
    const store = await withRecords(t, count)
    const before = store.getBucketSchema('b')
    for (const [title, name, field, message] of refused) {
      await t.rejects(
        store.updateBucket('b', { addFields: { [name]: field } }),
        { name: 'DefinitionError', message },
        title
      )
      t.equal(store.getBucketSchema('b'), before, 'the bucket is as before')
    }
    await store.bucket('b').update(-5, { other: 1 })
    await store.updateBucket('b', {
      addFields: { q: { type: 'string' }, r: { type: 'string', ref: 'others' } }
    })
    t.match(await store.bucket('b').update(-5, { q: 'more' }), { q: 'more', r: 'there' })
    await t.rejects(store.bucket('others').delete('there'), { name: 'ReferentialIntegrityError' })
  })
}

t.test('A record that is written while a large bucket gets a field is checked, too', async t => {
  const store = await withRecords(t, 20_000)
  const updating = store.updateBucket('b', { addFields: { late: { type: 'number' } } })
  await store.bucket('b').update(19_999, { late: 'text' })
  await t.rejects(updating, { name: 'DefinitionError', message: /key "19999".*"late"/ })
})

t.test('Functions of a new field are asked when a record is written', async t => {
  const store = await withRecords(t, 1)
  let calls = 0
  const validate = (): undefined => { calls++; return undefined }
  await store.updateBucket('b', { addFields: { q: { type: 'string', validate } } })
  t.equal(calls, 0)
  await store.bucket('b').update(-5, { q: 'more' })
  t.equal(calls, 1)
})
