import { test, type Test } from 'tap'
import {
  AggregateOverflowError, BucketNotDefinedError, FilterError, WorkBudgetError,
  type Store, type View, type ViewConfig, type WhereFilter
} from '../../src/index.js'
import { rejection, startStore } from '../support/store.js'

/** A filter that takes longer on a long text than one record may take. */
const heavy: WhereFilter = {
  $or: Array.from({ length: 400 }, (_, i) => ({
    text: { $contains: `${'x'.repeat(480 + i % 20)}y${'x'.repeat(480 + Math.floor(i / 20))}` }
  }))
}
const longText = 'x'.repeat(1_000_000)
const fitting = `${'x'.repeat(480)}y${'x'.repeat(480)}`

function listen (view: View): string[] {
  const heard: string[] = []
  view.listener = {
    onChange: revision => { heard.push(`change ${revision}`) },
    onReset: revision => { heard.push(`reset ${revision}`) },
    onFailure: error => { heard.push((error as Error).name) },
    onDrop: () => { heard.push('drop') }
  }
  return heard
}

async function begin (t: Test): Promise<Store> {
  const store = await startStore(t)
  await store.defineBucket(
    'records', { key: 'id', schema: { id: { type: 'number' }, n: { type: 'number' } } }
  )
  return store
}

test('a view whose filter cannot be tried on a record', async t => {
  for (const aggregate of [undefined, { function: 'count' }] as const) {
    const name = aggregate === undefined ? 'a list' : 'a count'
    await t.test(`tells so, and again once it can: ${name}`, async t => {
      const store = await begin(t)
      const records = store.bucket('records')
      await records.insert({ id: 1, text: fitting })
      const other = await store.views.open({ bucket: 'records', filter: { n: 7 } })
      const heardByOther = listen(other)
      const config: ViewConfig = { bucket: 'records', filter: heavy, ...(aggregate && { aggregate }) }
      const view = await store.views.open(config)
      const heard = listen(view)
      const count = (): unknown => aggregate === undefined ? view.rows(0, 9).length : view.result()
      t.equal(count(), 1)
      await records.insert({ id: 2, text: longText, n: 7 })
      await store.settle()
      t.same(heard, ['FilterError'])
      t.throws(() => view.result(), FilterError, 'as the read of a bucket does')
      t.same(heardByOther, [`change ${store.revision}`], 'others go on')
      await records.insert({ id: 3, text: fitting })
      await store.settle()
      t.same(heard, ['FilterError'], 'the record is still there')
      await records.update(2, { text: fitting })
      await store.settle()
      // It may have been read anew before that commit.
      await records.insert({ id: 4, text: fitting })
      await records.insert({ id: 5, text: fitting })
      await store.settle()
      t.equal(count(), 5)
      t.match(heard, ['FilterError', /reset/])
      await records.insert({ id: 6, text: fitting })
      await store.settle()
      t.equal(count(), 6)
      t.equal(heard.at(-1), `change ${store.revision}`)
    })
  }

  await t.test('is not opened', async t => {
    const store = await begin(t)
    await store.bucket('records').insert({ id: 2, text: longText })
    t.ok(await rejection(store.views.open({ bucket: 'records', filter: heavy })) instanceof FilterError)
    t.same([store.views.size, store.views.bytes], [0, 0])
  })
})

test('a sum that no number can hold', async t => {
  const store = await begin(t)
  const records = store.bucket('records')
  const config: ViewConfig = { bucket: 'records', aggregate: { function: 'sum', field: 'n' } }
  const view = await store.views.open(config)
  const heard = listen(view)
  await records.insertMany([{ id: 1, n: Number.MAX_VALUE }, { id: 2, n: Number.MAX_VALUE }])
  t.same(heard, ['AggregateOverflowError'])
  t.throws(() => view.result(), AggregateOverflowError)
  t.ok(await rejection(store.views.open(config)) instanceof AggregateOverflowError)
  await records.delete(2)
  t.same(heard, ['AggregateOverflowError', `reset ${store.revision}`])
  t.equal(view.result(), Number.MAX_VALUE)
  view.close()
  t.same([store.views.size, store.views.bytes], [0, 0])
})

test('a view that may not be opened', async t => {
  const store = await begin(t)
  await store.bucket('records').insertMany(Array.from({ length: 100 }, (_, id) => ({ id })))

  await t.test('names what is wrong with it', async t => {
    const refused: ReadonlyArray<readonly [config: unknown, message: RegExp]> = [
      [undefined, /must be an object/],
      [[], /must be an object/],
      [{ bucket: 'records', where: {} }, /no "where"; there are: bucket, filter, sort/],
      [{ bucket: 7 }, /must be the name of a bucket/],
      [{ bucket: 'records', filter: 7 }, /A filter must be an object/],
      [{ bucket: 'records', filter: { $or: 7 } }, /\$or must be an array/],
      [{ bucket: 'records', sort: 'n' }, /sort of a view must be an object/],
      [{ bucket: 'records', sort: { n: 'up' } }, /sort of "n" must be "asc" or "desc"/],
      [{ bucket: 'records', limit: -1 }, /limit of a view must be a number/],
      [{ bucket: 'records', offset: NaN }, /offset of a view must be a number/],
      [{ bucket: 'records', fields: 'n' }, /fields of a view must be an array/],
      [{ bucket: 'records', fields: [7] }, /fields of a view must be an array/],
      [{ bucket: 'records', page: 7 }, /page of a view must be an object/],
      [{ bucket: 'records', page: { limit: 0 } }, /page\.limit must be an integer/],
      [{ bucket: 'records', page: { limit: 1 }, offset: 1 }, /with a page has no offset/],
      [{ bucket: 'records', aggregate: 7 }, /aggregate of a view must be an object/],
      [{ bucket: 'records', aggregate: { function: 'median' } }, /must be one of count, sum/],
      [{ bucket: 'records', aggregate: { function: 'sum' } }, /must be the field of sum/],
      [{ bucket: 'records', aggregate: { function: 'count', groupBy: [7] } }, /groupBy of a view must be/],
      [{ bucket: 'records', aggregate: { function: 'count' }, limit: 1 }, /with an aggregate has no limit/]
    ]
    for (const [config, message] of refused) {
      const error = await rejection(store.views.open(config as ViewConfig))
      t.match([error.constructor, error.message], [FilterError, message])
    }
    t.ok(await rejection(store.views.open({ bucket: 'none' })) instanceof BucketNotDefinedError)
  })

  await t.test('for the work of its first read is opened by one that has the budget', async t => {
    const poor = { take (units: number) { if (units > 10) throw new WorkBudgetError('records', units, 10) } }
    const config = { bucket: 'records', filter: { n: { $neq: 1 } } }
    const [first, second] = await Promise.allSettled([
      store.views.open(config, { work: poor }), store.views.open(config)
    ])
    t.match([first.status, second.status], ['rejected', 'fulfilled'])
  })
})

test('a listener that throws keeps no other from hearing', async t => {
  const thrown: unknown[] = []
  const store = await startStore(t, { onListenerError: error => { thrown.push(error) } })
  await store.defineBucket('records', { key: 'id', schema: { id: { type: 'number' } } })
  const first = await store.views.open({ bucket: 'records' })
  const second = await store.views.open({ bucket: 'records', limit: 5 })
  const heard = listen(second)
  const fail = (): never => { throw new Error('as planned') }
  first.listener = { onChange: fail, onReset: fail, onFailure: fail, onDrop: fail }
  store.views.onRevision(fail)
  await store.bucket('records').insert({ id: 1 })
  await store.bucket('records').clear()
  await store.dropBucket('records')
  t.match(heard, [/change/, /reset/, 'drop'])
  t.equal(thrown.length, 6)
})

test('a listener may write, close views and open others', async t => {
  const store = await begin(t)
  const view = await store.views.open({ bucket: 'records' })
  const other = await store.views.open({ bucket: 'records', fields: ['id'] })
  const revisions: number[] = []
  const later: Array<Promise<unknown>> = []
  store.views.onRevision(revision => { revisions.push(revision) })
  view.listener = {
    onChange: () => {
      other.close()
      view.close()
      later.push(store.bucket('records').insert({ id: 2 }), store.views.open({ bucket: 'records' }))
    },
    onReset: () => {},
    onFailure: () => {},
    onDrop: () => {}
  }
  await store.bucket('records').insert({ id: 1 })
  const [, opened] = await Promise.all(later)
  t.equal((opened as View).size, 2)
  t.same(revisions, [store.revision - 1, store.revision], 'one after the other')
  const whole = opened as View
  whole.close()
  t.same([store.views.size, store.views.bytes], [0, 0])
})
