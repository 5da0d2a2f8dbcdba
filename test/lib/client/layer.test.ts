import t from 'tap'
import { startOptimist } from '../../support/optimistic.js'
import { answer } from '../../support/watched.js'

const one = { id: 1, text: 'a', done: false, at: 10, _version: 1 }
const two = { id: 2, text: 'b', done: true, at: 20, _version: 1 }
const three = { id: 3, text: 'c', done: false, at: 30, _version: 1 }
const rows = [one, two, three]

t.test('an update is shown wherever the record is, and other rows stay the same objects', async t => {
  const { link, queries, list, change, sent } = await startOptimist(t)
  const { query: all, states } = list({}, rows)
  const { query: texts } = list({ fields: ['id', 'text'] }, rows.map(({ id, text }) => ({ id, text })))
  const named = queries.query('todos-of-a-kind')
  named.subscribe(() => {})
  link.next('store.subscribe').reply({
    subscriptionId: 'n', epoch: 'e', revision: 1, key: 'id', bucket: 'todos', data: [{ id: 2, text: 'b' }]
  })
  const before = all.getSnapshot()
  change(tx => { tx.bucket('todos').update(2, { text: 'B', note: 'new', gone: undefined }) })
  t.same(all.getSnapshot()[1], { id: 2, text: 'B', note: 'new', done: true, at: 20, _version: 1 })
  t.same(texts.getSnapshot()[1], { id: 2, text: 'B' })
  t.same(named.getSnapshot(), [{ id: 2, text: 'B' }], 'members that it does not show are not shown')
  t.equal(all.getSnapshot()[0], before[0])
  t.equal(all.getSnapshot()[2], before[2])
  t.equal(states.length, 3)
  t.same(before, rows, 'what was shown has not changed')
  t.same(sent[0]?.members, {
    operations: [{ op: 'update', bucket: 'todos', key: 2, data: { text: 'B', note: 'new' } }], revision: true
  })
})

t.test('keys and buckets are told apart, and keys do not change', async t => {
  const { list, change } = await startOptimist(t)
  const { query } = list({}, [{ id: 1, text: 'a' }, { id: '1', text: 'b' }])
  change(tx => {
    tx.bucket('todos').update('1', { text: 'B', id: 7 })
    tx.bucket('others').update(1, { text: 'A' })
    tx.bucket('todos').delete(2)
  })
  t.same(query.getSnapshot(), [{ id: 1, text: 'a' }, { id: '1', text: 'B' }])
  change(tx => { tx.bucket('todos').delete(1) })
  t.same(query.getSnapshot(), [{ id: '1', text: 'B' }])
})

t.test('a record enters and leaves lists by their filters, at its place', async t => {
  const { list, change } = await startOptimist(t)
  const { query: all } = list({}, rows)
  const { query: open } = list({ filter: { done: false }, sort: { at: 'desc' } }, [three, one])
  const { query: texts } = list({ filter: { done: true }, fields: ['id', 'text'] }, [{ id: 2, text: 'b' }])
  const { query: unknown } = list({ filter: { text: { $contains: 'a' } } }, [one])
  const { query: sum } = list({ aggregate: { function: 'count' } }, [], { key: null, data: 3 })
  change(tx => { tx.bucket('todos').update(2, { done: false }) })
  t.same(open.getSnapshot().map(({ id }: any) => id), [3, 2, 1])
  t.same(texts.getSnapshot(), [])
  change(tx => { tx.bucket('todos').update(3, { done: true, text: 'A' }) })
  t.same(open.getSnapshot().map(({ id }: any) => id), [2, 1])
  t.same(texts.getSnapshot(), [{ id: 3, text: 'A' }])
  t.same(unknown.getSnapshot().map(({ id }: any) => id), [1], 'that is left to the server')
  change(tx => { tx.bucket('todos').update(1, { at: 25 }) })
  t.same(open.getSnapshot().map(({ id }: any) => id), [1, 2])
  t.same(all.getSnapshot().map(({ id }: any) => id), [1, 2, 3], 'they are in the order of insertion')
  t.equal(sum.getSnapshot(), 3)
})

t.test('a new record is shown in each list that it belongs to, at its place', async t => {
  const { list, change, sent } = await startOptimist(t)
  const lists = {
    all: list({}, rows),
    sorted: list({ sort: { at: 'asc' } }, rows),
    texts: list({ sort: { at: 'asc' }, fields: ['id', 'text'] }, [{ id: 1, text: 'a' }]),
    newest: list({ sort: { _createdAt: 'desc' } }, [{ ...one, _createdAt: 5 }]),
    done: list({ filter: { done: true } }, [two]),
    kinds: list({ filter: { kind: 'home' } }, []),
    two: list({ sort: { at: 'asc' }, limit: 2 }, rows.slice(0, 2)),
    second: list({ sort: { at: 'asc' }, offset: 1 }, rows.slice(1))
  }
  change(tx => { tx.bucket('todos').insert({ text: 'n', done: false, at: 15 }) })
  const shown = (name: keyof typeof lists): unknown[] =>
    lists[name].query.getSnapshot().map(({ text }: any) => text)
  t.same(shown('all'), ['a', 'b', 'c', 'n'])
  t.same(shown('sorted'), ['a', 'n', 'b', 'c'])
  t.same(shown('texts'), ['a', 'n'], 'by a field that it does not show, the place is not known')
  t.same(shown('newest'), ['n', 'a'])
  t.same(shown('done'), ['b'])
  t.same(shown('kinds'), [], 'it may get its kind from the server')
  t.same(shown('two'), ['a', 'n'])
  t.same(shown('second'), ['b', 'c'])
  const { id, ...others } = lists.sorted.query.getSnapshot()[1]
  t.match(others, { text: 'n', done: false, at: 15, _version: 1 })
  t.equal(lists.all.query.getSnapshot()[3].id, id, 'its key is the same in all')
  t.same(sent[0]?.members['operations'], [
    { op: 'insert', bucket: 'todos', data: { text: 'n', done: false, at: 15 } }
  ])
})

t.test('a new record of its own key is shown once', async t => {
  const { list, change } = await startOptimist(t)
  const { query } = list({}, rows)
  change(tx => {
    tx.bucket('todos').insert({ id: 9, text: 'n' })
    tx.bucket('todos').update(9, { text: 'N' })
  })
  t.match(query.getSnapshot()[3], { id: 9, text: 'N' })
  change(tx => { tx.bucket('todos').insert({ id: 1, text: 'it is there' }) })
  t.equal(query.getSnapshot().length, 4)
})

t.test('a page shows what is within its bounds', async t => {
  const { link, queries, change } = await startOptimist(t)
  const find = { bucket: 'todos', sort: { at: 'asc' } }
  const page = queries.query(find, undefined, { page: { limit: 2, after: 'c' } })
  page.subscribe(() => {})
  answer(link.next('store.subscribe'), [two, three], { hasMore: true, nextCursor: 'd' })
  const shown = (): unknown[] => page.getSnapshot().map(({ id }: any) => id)
  change(tx => {
    for (const at of [5, 35]) tx.bucket('todos').insert({ id: at, at })
    tx.bucket('todos').insert({ id: 'in', at: 25 })
  })
  t.same(shown(), [2, 'in', 3])
  change(tx => { tx.bucket('todos').update(2, { at: 40 }) })
  t.same(shown(), ['in', 3])
  change(tx => { tx.bucket('todos').update(3, { at: 1 }) })
  t.same(shown(), [3, 'in'], 'it may be behind the cursor still')
})

t.test('changes of what a query shows are made on top of the others, until they fail', async t => {
  const { queries, link, list, change } = await startOptimist(t)
  const { query } = list({}, rows)
  const count = queries.query('count')
  count.subscribe(() => {})
  const never = queries.query('never')
  link.next('store.subscribe').reply({ subscriptionId: 'c', epoch: 'e', revision: 1, key: null, data: 3 })
  change(tx => {
    tx.bucket('todos').delete(3)
    tx.query<number>(count, n => n - 1)
    tx.query(never, () => { throw new Error('it has no data') })
    tx.query<any[]>(query, shown => shown.filter(({ done }) => done !== true))
  })
  t.equal(count.getSnapshot(), 2)
  t.same(query.getSnapshot(), [one])
  t.equal(query.getSnapshot()[0], query.getSnapshot()[0])
  link.push('c', { revision: 2, epoch: 'e', key: null, data: 10 })
  t.equal(count.getSnapshot(), 9)
})

t.test('a change that is async, or none, is refused with the reason, and neither shown nor sent', async t => {
  const { list, change, sent } = await startOptimist(t)
  const { query, states } = list({}, rows)
  const shown = states.length
  const asynchronous = async (tx: any): Promise<void> => {
    await undefined
    tx.bucket('todos').update(1, { text: 'late' })
  }
  const wrong: Array<[change: (tx: any) => unknown, message: RegExp]> = [
    [asynchronous, /^optimistic: the function must do its work before it returns: it must not be async$/],
    [async () => { throw new Error('mine') }, /must not be async/],
    [undefined as never, /^optimistic: change must be a function$/],
    [tx => tx.bucket('todos').insert(), /^optimistic: data must be an object$/],
    [tx => tx.bucket('todos').update(1, { n: 5n }), /^optimistic: data must be JSON: /],
    [tx => tx.bucket('todos').update(1, {}, { version: 1 }), /no option version: there are expectedVersion$/],
    [tx => tx.bucket('todos').delete(1, 5), /^optimistic: a write: options must be an object$/],
    [tx => tx.query(undefined, () => []), /^tx\.query: query\.key .* must be a non-empty string$/],
    [tx => tx.query(query, 'x'), /^tx\.query: change must be a function$/],
    [tx => {
      tx.query(query, async () => [])
      tx.bucket('todos').delete(1)
    }, /^tx\.query: the function must do its work before it returns: it must not be async$/]
  ]
  for (const [given, message] of wrong) {
    await t.rejects(change(given as never), { name: 'TypeError', message })
  }
  t.same(query.getSnapshot(), rows)
  t.equal(states.length, shown)
  t.same(sent, [])
})
