import t from 'tap'
import { DisconnectedError, NoexClientError } from '../../../lib/client/errors.js'
import { startOptimist } from '../../support/optimistic.js'
import { answer, reports } from '../../support/watched.js'

const one = { id: 1, text: 'a', _version: 1 }
const done = { id: 1, text: 'b', _version: 2 }

t.test('a change gives way to the push that has it, and is never shown twice or taken back', async t => {
  const { link, list, change, sent } = await startOptimist(t)
  const { query, id, states } = list({}, [one])
  const answered = change(tx => {
    tx.bucket('todos').update(1, { text: 'b' })
    tx.bucket('todos').insert({ text: 'new' })
  })
  const temporary = query.getSnapshot()[1].id
  t.type(temporary, 'string')
  sent[0]?.reply(5, done, { id: 2, text: 'new', _version: 1 })
  t.same(query.getSnapshot(), [{ ...one, text: 'b' }, { id: 2, text: 'new', _version: 1 }], 'it has its key')
  link.push(id, { revision: 4, delta: { upsert: [{ id: 3, text: 'c' }], remove: [] } })
  t.match(query.getSnapshot(), [{ text: 'b' }, { id: 3 }, { id: 2 }], 'what comes before is no answer')
  link.push(id, {
    revision: 5,
    delta: { upsert: [done, { id: 2, text: 'new', _version: 1 }], remove: [], at: [[2, 1]] }
  })
  t.same(query.getSnapshot(), [done, { id: 2, text: 'new', _version: 1 }, { id: 3, text: 'c' }])
  const { length } = states
  link.system('revision', { revision: 5 })
  t.equal(states.length, length, 'nothing was left of it')
  t.same((await answered).results.map(({ data }: any) => data.id), [1, 2])
  for (const { data } of states.slice(2)) {
    t.equal(data.filter(({ text }: any) => text === 'new').length, 1)
    t.equal(data.filter(({ text }: any) => text === 'a').length, 0)
  }
})

t.test('what the server does not show goes when it says that all show the revision', async t => {
  const { link, queries, list, change, sent } = await startOptimist(t)
  const { query, states } = list({}, [one])
  const count = queries.query('count')
  count.subscribe(() => {})
  const id = answer(link.next('store.subscribe'), 1, { key: null })
  change(tx => {
    tx.bucket('todos').insert({ text: 'hidden by a row rule' })
    tx.query<number>(count, n => n + 1)
  })
  sent[0]?.reply(5, { id: 2, text: 'hidden by a row rule' })
  link.system('revision', { revision: 4 })
  t.equal(query.getSnapshot().length, 2)
  link.push(id, { revision: 6, epoch: 'e', key: null, data: 2 })
  t.equal(count.getSnapshot(), 2, 'each query goes on as it has the change')
  t.equal(query.getSnapshot().length, 2)
  link.system('revision', { revision: 6 })
  t.same(query.getSnapshot(), [one])
  t.equal(states.at(-1)?.data[0], states[1]?.data[0])
})

t.test('a result that has the change already is shown as it is when the answer comes', async t => {
  const { link, list, change, sent } = await startOptimist(t)
  const { query, id } = list({}, [one])
  change(tx => { tx.bucket('todos').update(1, { text: 'b' }) })
  link.push(id, { revision: 7, delta: { upsert: [{ ...one, text: 'c', _version: 3 }], remove: [] } })
  t.equal(query.getSnapshot()[0].text, 'b')
  sent[0]?.reply(6, done)
  t.equal(query.getSnapshot()[0].text, 'c', 'another client was the last')
})

t.test('changes of several calls lie on top of each other, in their order', async t => {
  const { link, list, change, sent } = await startOptimist(t)
  const { query, id } = list({}, [one])
  const first = change(tx => { tx.bucket('todos').update(1, { text: 'first', by: 1 }) })
  const second = change(tx => { tx.bucket('todos').update(1, { text: 'second' }) })
  const third = change(tx => { tx.bucket('todos').update(1, { text: 'third' }) })
  t.match(query.getSnapshot(), [{ text: 'third', by: 1 }])
  sent[2]?.fail(new NoexClientError('CONFLICT', 'others were faster'))
  await t.rejects(third, { code: 'CONFLICT' })
  t.match(query.getSnapshot(), [{ text: 'second', by: 1 }])
  sent[0]?.reply(2, done)
  const updated = { ...one, text: 'first', by: 1, _version: 2 }
  link.push(id, { revision: 2, delta: { upsert: [updated], remove: [] } })
  t.match(query.getSnapshot(), [{ text: 'second', by: 1, _version: 2 }])
  await first
  sent[1]?.fail(new NoexClientError('CONFLICT', 'others were faster'))
  await t.rejects(second, { code: 'CONFLICT' })
  t.match(query.getSnapshot(), [{ text: 'first', by: 1 }])
})

t.test('a refused change is taken back, and so is one of which nothing is known', async t => {
  const { list, change, sent } = await startOptimist(t)
  const { query } = list({}, [one])
  for (const error of [
    new NoexClientError('FORBIDDEN', 'no'), new DisconnectedError('lost', 'unknown'), new Error('else')
  ]) {
    const refused = change(tx => { tx.bucket('todos').delete(1) }, { retry: true })
    t.same(query.getSnapshot(), [])
    t.same(sent.at(-1)?.options, { retry: true })
    sent.at(-1)?.fail(error)
    await t.rejects(refused, error)
    t.same(query.getSnapshot(), [one])
  }
})

t.test('a function that fails changes nothing', async t => {
  const { list, change, sent } = await startOptimist(t)
  const { query, states } = list({}, [one])
  const fault = new Error('of the application')
  await t.rejects(change(tx => {
    tx.bucket('todos').delete(1)
    throw fault
  }), fault)
  await t.rejects(change(tx => {
    tx.bucket('todos').delete(1)
    tx.query(query, () => { throw fault })
  }), fault)
  await t.rejects(change(tx => { tx.bucket('todos').insert({ big: 1n }) }), TypeError)
  t.same(sent, [])
  t.equal(states.length, 2)
  let late = (): void => {}
  t.same(await change(tx => { late = () => { tx.bucket('todos').delete(1) } }), { results: [] })
  t.same(await change(tx => { tx.query(query, () => []) }), { results: [] }, 'there is nothing to write')
  t.throws(late, 'a change that comes too late is no change')
  t.equal(states.length, 2)
})

t.test('a change of what is shown that fails later is reported, and the query shows what it has', async t => {
  const reported = reports(t)
  const { link, list, change } = await startOptimist(t)
  const { query, id } = list({}, [one])
  const fault = new Error('of the application')
  change(tx => {
    tx.bucket('others').delete(1)
    tx.query<any[]>(query, rows => {
      if (rows.length > 1) throw fault
      return []
    })
  })
  t.same(query.getSnapshot(), [])
  link.push(id, { revision: 2, delta: { upsert: [{ id: 2 }], remove: [] } })
  t.same(query.getSnapshot(), [one, { id: 2 }])
  t.ok(reported.includes(fault))
})

t.test('a change that is sent again after a reconnect stays until it is answered', async t => {
  const { link, list, change, sent } = await startOptimist(t)
  const { query, states } = list({}, [one])
  change(tx => { tx.bucket('todos').insert({ text: 'new' }) }, { retry: true })
  link.lose()
  t.equal(query.getSnapshot().length, 2)
  const ready = link.connect()
  const request = link.next('store.subscribe')
  const added = { id: 2, text: 'new', _version: 1 }
  sent[0]?.reply(8, added)
  const position = { epoch: 'e', revision: 8, key: 'id', bucket: 'todos' }
  request.reply({ subscriptionId: 's', ...position, delta: { upsert: [added], remove: [] } })
  await ready
  link.system('revision', { revision: 8 })
  t.same(query.getSnapshot(), [one, added])
  t.ok(states.slice(2).every(({ data }) => data.length === 2))
})

t.test('a change that was answered on the former connection stays until all is shown anew', async t => {
  const { link, queries, list, change, sent } = await startOptimist(t)
  const { query, states } = list({}, [one])
  const other = queries.query('other')
  other.subscribe(() => {})
  answer(link.next('store.subscribe'), [{ id: 5, text: 'x' }], { bucket: 'todos' })
  change(tx => {
    tx.bucket('todos').update(1, { text: 'b' })
    tx.bucket('todos').update(5, { text: 'y' })
  })
  sent[0]?.reply(500, done, {})
  link.lose()
  link.connect()
  link.lose()
  t.match(query.getSnapshot(), [{ text: 'b' }])
  await new Promise(resolve => setImmediate(resolve))
  t.match(query.getSnapshot(), [{ text: 'b' }])
  const ready = link.connect()
  answer(link.next('store.subscribe'), [{ id: 1, text: 'b', _version: 7 }], { epoch: 'f', revision: 3 })
  t.match(query.getSnapshot(), [{ text: 'b', _version: 7 }])
  t.match(other.getSnapshot(), [{ text: 'y' }])
  link.next('store.subscribe').refuse('QUERY_NOT_DEFINED')
  await ready
  t.match(other.getSnapshot(), [{ text: 'x' }], 'the server has begun anew: revisions are of the past')
  t.ok(states.slice(2).every(({ data }) => data[0].text === 'b'))
})

t.test('without the extension a change goes with the first push, or two round trips later', async t => {
  const { link, list, change, sent } = await startOptimist(t)
  link.extensions.delete('revision')
  const { query, id } = list({}, [one])
  const { query: other } = list({ fields: ['id', 'text'] }, [{ id: 1, text: 'a' }])
  const answered = change(tx => { tx.bucket('todos').update(1, { text: 'b' }) })
  link.push(id, { revision: 2, delta: { upsert: [{ id: 2, text: 'c' }], remove: [] } })
  t.equal(query.getSnapshot()[0].text, 'b')
  sent[0]?.reply(undefined, done)
  await answered
  t.equal(query.getSnapshot()[0].text, 'b')
  link.push(id, { revision: 3, delta: { upsert: [{ ...done, text: 'B' }], remove: [] } })
  t.equal(query.getSnapshot()[0].text, 'B')
  t.equal(other.getSnapshot()[0].text, 'b')
  link.next('ping').refuse('UNKNOWN_OPERATION')
  t.equal(other.getSnapshot()[0].text, 'b')
  link.next('ping').reply({})
  t.equal(other.getSnapshot()[0].text, 'a')
  t.same(link.open, [])
  change(tx => { tx.bucket('todos').update(1, { text: 'c' }) })
  sent[1]?.reply(undefined, done)
  link.lose()
  t.equal(other.getSnapshot()[0].text, 'c')
  const ready = link.connect()
  answer(link.next('store.subscribe'), [done])
  answer(link.next('store.subscribe'), [{ id: 1, text: 'a' }])
  await ready
  t.equal(other.getSnapshot()[0].text, 'a')
})

t.test('an answer without results is an answer', async t => {
  const { link, list, change, sent } = await startOptimist(t)
  const { query } = list({}, [one])
  for (const records of [[], [null], ['text']]) {
    change(tx => { tx.bucket('todos').insert({ text: 'new' }) })
    sent.at(-1)?.reply(5, ...records)
    t.match(query.getSnapshot(), [one, { text: 'new', _version: 1 }])
    link.system('revision', { revision: 5 })
    t.same(query.getSnapshot(), [one])
  }
})
