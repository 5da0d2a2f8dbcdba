import fc from 'fast-check'
import t from 'tap'
import { ChangeHistory } from '../../../lib/subscriptions/change-history.js'
import { deltaOf } from '../../../lib/subscriptions/delta.js'
import { KeyedList } from '../../../lib/subscriptions/keyed-list.js'
import { applyDelta, type Row } from '../../support/live-list.js'

t.test('a result is a list with keys where each row has one of its own', async t => {
  const fieldOf = async (result: unknown, ...fields: string[]): Promise<string | undefined> =>
    (await KeyedList.of(result, fields))?.keyField
  t.equal(await fieldOf([{ id: 1 }, { id: '1' }], 'id'), 'id')
  t.equal(await fieldOf([], 'id'), 'id')
  t.equal(await fieldOf([]), undefined, 'nothing has been read')
  t.equal(await fieldOf([{ id: 1, no: 1 }, { id: 1, no: 2 }], 'id', 'no'), 'no', 'the first that fits')
  for (const result of [
    [{ id: 1 }, { id: 1 }], [{ id: 1 }, {}], [{ id: null }], [{ id: NaN }], [{ id: true }], [{ id: {} }],
    [Object.create({ id: 1 })], [1], [null], [[1]], { id: 1 }, 'text', undefined
  ]) t.equal(await fieldOf(result, 'id'), undefined)
  t.equal(await fieldOf(JSON.parse('[{"__proto__":"a"}]'), '__proto__'), '__proto__')
})

t.test('rows that a query goes on to change are kept as they were', async t => {
  const row = { id: 1, n: 1, _version: 1, _updatedAt: 1 }
  const before = await KeyedList.of([row], ['id'])
  row.n = 2
  const after = await KeyedList.of([row], ['id'])
  t.same((await after?.touchesSince(before as KeyedList))?.map(({ key }) => key), [1])
  t.ok((after?.bytes ?? 0) > 20, 'they are counted')
  const record = Object.freeze({ id: 1, _version: 1, _updatedAt: 1 })
  t.equal((await KeyedList.of([record], ['id']))?.bytes, 0, 'those of the store are not')
  await t.rejects(KeyedList.of([{ id: 1, big: 1n }], ['id']), TypeError)
})

t.test('what has changed makes the former list the present one, with as few moves as can be', async t => {
  const list = fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 15 }), fc.boolean()), {
    selector: ([id]) => id, maxLength: 16
  })
  await fc.assert(fc.asyncProperty(list, list, fc.boolean(), async (one, drawn, hasSameKeys) => {
    const others = one.map(([id], i): [number, boolean] => [id, drawn[i]?.[1] ?? false])
    const other = hasSameKeys ? others : drawn
    const rowsOf = (drawn: typeof one): Row[] => drawn.map(([id, n]) => ({ id, n }))
    const [before, after] = [rowsOf(one), rowsOf(other)]
    const former = await KeyedList.of(before, ['id']) as KeyedList
    const present = await KeyedList.of(after, ['id'], former) as KeyedList
    const changes = await present.touchesSince(former) ?? []
    const history = new ChangeHistory(0)
    history.add(1, changes, present.size)
    const shown = applyDelta(before, 'id', JSON.parse(deltaOf(present, history.since(0) as never)))
    t.same(shown, after)
  }), { numRuns: 300 })
  const former = await KeyedList.of([1, 2, 3, 4, 5].map(id => ({ id })), ['id']) as KeyedList
  const rotated = await KeyedList.of([2, 3, 4, 5, 1].map(id => ({ id })), ['id']) as KeyedList
  t.same((await rotated.touchesSince(former))?.map(({ key }) => key), [1])
})
