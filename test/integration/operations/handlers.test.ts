import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { Type } from 'typebox'
import { NoexServerError } from '../../../lib/index.js'
import { act, serveOperations, type Context } from '../../support/own-operations.js'
import { watchUncaughtErrors } from '../../support/uncaught-errors.js'
import { until } from '../../support/until.js'

const uncaught = watchUncaughtErrors(t)

const rejecting = (): object => ({ toJSON: async () => await Promise.reject(new Error('late')) })

function cycle (): object {
  const made: Record<string, unknown> = {}
  made['self'] = made
  return made
}

/** An error whose members cannot be read. */
function unreadable (): Error {
  return Object.defineProperty(new Error('x'), 'message', { get () { throw new Error('secret') } })
}

/** A refusal of another copy of the package. */
const foreign = (members: object): Error =>
  Object.assign(new Error('sold out'), { name: 'NoexServerError' }, members)

const unsendable = /has returned what JSON cannot hold/

const refuse = (...args: ConstructorParameters<typeof NoexServerError>) => (): never => {
  throw new NoexServerError(...args)
}

/** The faults of handlers that are answered with `INTERNAL_ERROR`, and the texts that the log has of them. */
const faults: Readonly<Record<string, readonly [act: () => unknown, logged: RegExp, definition?: object]>> = {
  throws: [() => { throw new Error('secret') }, /secret/],
  rejects: [async () => { throw new Error('secret') }, /secret/],
  'throws no error': [() => { throw 'secret' }, /secret/], // eslint-disable-line no-throw-literal
  'throws undefined': [() => { throw undefined }, /undefined/], // eslint-disable-line no-throw-literal
  'throws an error that cannot be read': [() => { throw unreadable() }, /an error without a text/],
  'returns a bigint': [() => ({ n: 1n }), /bigint/],
  'returns a cycle': [cycle, unsendable],
  'returns a getter that throws': [() => ({ get a () { throw new Error('secret') } }), unsendable],
  'returns a promise within': [() => ({ a: Promise.reject(new Error('late')) }), unsendable],
  'returns a toJSON that rejects': [() => [rejecting()], unsendable],
  'returns a thenable that throws': [() => ({ then () { throw new Error('secret') } }), /secret/],
  'returns a function to be called': [() => ({ toJSON: () => { throw new Error('secret') } }), /JSON cannot hold/],
  'returns too much': [() => 'x'.repeat(17_000_000), /has returned more than 16777216 characters/],
  'returns a long list': [() => Array.from({ length: 20 }, () => 'x'.repeat(1_000_000)), /more than 16777216/],
  'returns what its output does not describe': [
    () => ({ n: 'x' }), /its output does not describe: result\.n: must be number/,
    { output: Type.Object({ n: Type.Number() }) }
  ],
  'returns nothing, where its output says more': [
    () => undefined, /its output does not describe/, { output: Type.Object({}) }
  ],
  'refuses with an unknown code': [() => { throw foreign({ code: 'SOLD_OUT' }) }, /SOLD_OUT is none of the error codes/],
  'refuses with the name of a property of objects': [() => { throw foreign({ code: 'constructor' }) }, /none of the error codes/],
  'refuses with a cycle': [refuse('CONFLICT', 'x', cycle()), /in a way that cannot be sent/],
  'refuses with a bigint': [refuse('CONFLICT', 'x', { n: 1n }), /in a way that cannot be sent/],
  'refuses with a promise': [refuse('CONFLICT', 'x', rejecting()), /in a way that cannot be sent/],
  'refuses with too many details': [refuse('CONFLICT', 'x', 'x'.repeat(100_000)), /its details are too long/]
}

for (const [title, [handler, logged, definition]] of Object.entries(faults)) {
  t.test(`a handler that ${title} is answered with INTERNAL_ERROR, and logged by its name`, async t => {
    const { connect, lines } = await serveOperations(t, [
      act(handler, definition), act(() => 1, { name: 'shop.next' })
    ])
    const client = await connect()
    const reply = await client.request('shop.act')
    t.match(reply, { code: 'INTERNAL_ERROR', message: 'The operation failed inside the server' })
    t.notMatch(JSON.stringify(reply), /secret/)
    t.match(lines, [{ operation: 'shop.act', msg: 'operation failed' }])
    t.match(JSON.stringify(lines), logged)
    t.equal(await client.ask('shop.next'), 1, 'the connection goes on')
    await setImmediate()
    t.same(uncaught, [])
  })
}

t.test('what a handler refuses is sent as it is', async t => {
  const details = { reason: 'sold_out', left: 0, at: new Date(0) }
  const { connect, lines } = await serveOperations(t, [
    act(refuse('CONFLICT', 'Sold out', details)),
    act(() => { throw foreign({ code: 'NOT_FOUND' }) }, { name: 'shop.foreign' }),
    act(async ({ store }) => await store.bucket('items').insert({ n: 'x' }), { name: 'shop.insert' }),
    act(async ({ store }) => await store.bucket('nothing').all(), { name: 'shop.unknown' })
  ])
  const client = await connect()
  t.match(await client.request('shop.act'), {
    code: 'CONFLICT',
    message: 'Sold out',
    details: { reason: 'sold_out', left: 0, at: '1970-01-01T00:00:00.000Z' }
  })
  t.match(await client.request('shop.foreign'), { code: 'NOT_FOUND', message: 'sold out' })
  t.match(await client.request('shop.insert'), { code: 'VALIDATION_ERROR', details: [{ field: 'n' }] })
  t.match(await client.request('shop.unknown'), { code: 'BUCKET_NOT_DEFINED' })
  t.same(lines, [], 'nothing has failed')
})

t.test('results are what JSON makes of them', async t => {
  const at = new Date(0)
  const results: ReadonlyArray<readonly [result: unknown, sent: unknown]> = [
    [undefined, null], [null, null], [0, 0], ['', ''], [false, false], [NaN, null],
    [{ a: undefined, at }, { at: at.toISOString() }], [[undefined, () => 1], [null, null]],
    [() => 1, null], [Symbol('x'), null], [new Map([[1, 2]]), {}], [{ toJSON: () => ({ n: 1 }) }, { n: 1 }],
    [Array.from({ length: 5_000 }, (_, n) => ({ n })), Array.from({ length: 5_000 }, (_, n) => ({ n }))]
  ]
  let result: unknown
  const output = Type.Object({ at: Type.String() })
  const { connect } = await serveOperations(t, [
    act(() => result), act(() => ({ at, more: 1 }), { name: 'shop.described', output })
  ])
  const client = await connect()
  for (const [given, sent] of results) {
    result = given
    t.same(await client.ask('shop.act'), sent)
  }
  t.same(await client.ask('shop.described'), { at: at.toISOString(), more: 1 }, 'a date is a text in JSON')
})

t.test('a handler that never settles is not waited for, and its operation is bounded', async t => {
  const held: Context[] = []
  const { connect, lines, store } = await serveOperations(t, [
    act(async context => {
      held.push(context)
      // Reading makes the signal.
      t.equal(context.signal.aborted, false)
      await new Promise(() => {})
    }),
    act(() => 1, { name: 'shop.next' })
  ], { operationTimeoutMs: 20 })
  const client = await connect()
  const message = 'Operation "shop.act" took longer than 20 ms and is not waited for any more'
  const late = { code: 'INTERNAL_ERROR', message }
  for (let i = 0; i < 4; i++) t.match(await client.request('shop.act'), late)
  t.match(await client.request('shop.act'), { code: 'RATE_LIMITED', details: { retryAfterMs: 20 } })
  t.match(await (await connect()).request('shop.act'), late, 'another client may')
  t.equal(await client.ask('shop.next'), 1)
  t.equal(lines[0]?.['msg'], 'Operation "shop.act" takes too long and is not waited for any more')

  for (const { signal, store: own, call } of held) {
    t.equal(signal.aborted, true)
    t.match(signal.reason, { message: 'the request of shop.act is over' })
    const over = { message: 'shop.act does something after its request is over' }
    await t.rejects(own.bucket('items').insert({}), over)
    await t.rejects(own.transaction(async tx => { await (await tx.bucket('items')).insert({}) }), over)
    await t.rejects(call('store.insert', { bucket: 'items', data: {} }), /after its request is over/)
  }
  t.equal(await store.bucket('items').count(), 0)
})

t.test('a handler is told when its client goes, and writes nothing more for it', async t => {
  let context: Context | undefined
  let settle = (): void => {}
  let outcome: unknown
  const { connect, store } = await serveOperations(t, [act(async given => {
    context = given
    t.equal(given.signal, given.signal, 'it is one signal')
    await new Promise<void>(resolve => { settle = resolve })
    await given.store.bucket('items').insert({}).catch((error: unknown) => { outcome = error })
  })])
  const client = await connect()
  client.send({ id: 1, type: 'shop.act' })
  await until(() => context !== undefined)
  client.ws.terminate()
  await until(() => context?.signal.aborted === true)
  settle()
  await until(() => outcome !== undefined)
  t.match(outcome, { code: 'UNAUTHORIZED', message: 'The connection has ended' })
  t.equal(await store.bucket('items').count(), 0)
})

t.test('what a handler does not await does no harm', async t => {
  const { connect, store } = await serveOperations(t, [act(({ store, call }) => {
    return [
      store.bucket('items').insert({ n: 'x' }),
      store.bucket('items').where({ n: { $nothing: 1 } } as never),
      store.transaction(async () => { throw new Error('late') }),
      store.runQuery('nothing'),
      call('store.get', { bucket: 'nothing', key: 1 }),
      call('nothing.at.all')
    ].length
  })])
  const client = await connect()
  t.equal(await client.ask('shop.act'), 6)
  await client.settled()
  t.equal(await store.bucket('items').count(), 0)
  await setImmediate()
  t.same(uncaught, [])
})

t.test('replies keep the order of the requests', async t => {
  const { connect } = await serveOperations(t, [act(async () => { await setImmediate() })])
  const client = await connect()
  client.send({ id: 1, type: 'shop.act' })
  client.send({ id: 2, type: 'store.buckets' })
  t.match([await client.next(), await client.next()], [{ id: 1 }, { id: 2 }])
})
