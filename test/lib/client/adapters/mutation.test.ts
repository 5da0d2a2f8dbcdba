import t from 'tap'
import { NoexClientError } from '../../../../lib/client/errors.js'
import { mutationOf } from '../../../../lib/client/adapters/mutation.js'
import { HandClient } from '../../../support/hand-client.js'
import { until } from '../../../support/until.js'
import { watchUncaughtErrors } from '../../../support/uncaught-errors.js'

t.test('an error that the caller ignores is in the state only; one that awaits the run gets it', async t => {
  const uncaught = watchUncaughtErrors(t)
  const client = new HandClient()
  const mutation = mutationOf(() => [client, 'store.insert'])
  const error = new NoexClientError('FORBIDDEN', 'no')
  mutation.run()
  client.requests[0]?.refuse(error)
  await until(() => mutation.state.error !== undefined)
  t.equal(mutation.state.error, error)
  const second = mutation.run()
  client.requests[1]?.refuse(error)
  await t.rejects(second, error)
  t.same(uncaught, [])
})

t.test('of several runs the last one is shown, also where an earlier one is answered later', async t => {
  const client = new HandClient()
  const mutation = mutationOf(() => [client, 'store.insert'])
  const runs = [mutation.run({ n: 1 }), mutation.run({ n: 2 })]
  client.requests[1]?.answer('second')
  await runs[1]
  client.requests[0]?.answer('first')
  t.equal(await runs[0], 'first')
  t.same(mutation.state, { isPending: false, data: 'second', error: undefined })
})

t.test('a new run keeps the answer of the one before until it has one', async t => {
  const client = new HandClient()
  const mutation = mutationOf(() => [client, 'store.insert'])
  const first = mutation.run()
  client.requests[0]?.answer('first')
  await first
  mutation.run()
  t.same(mutation.state, { isPending: true, data: 'first', error: undefined })
})

t.test('a reset forgets a run that is pending', async t => {
  const client = new HandClient()
  const mutation = mutationOf(() => [client, 'store.insert'])
  const run = mutation.run()
  mutation.reset()
  t.equal(mutation.state.isPending, false)
  client.requests[0]?.answer('late')
  await run
  t.same(mutation.state, { isPending: false, data: undefined, error: undefined })
})

t.test('a change that throws is a rejection', async t => {
  const mutation = mutationOf(() => [new HandClient(), () => { throw new Error('of the application') }])
  await t.rejects(mutation.run(), { message: 'of the application' })
  t.match(mutation.state.error, { message: 'of the application' })
})

t.test('it runs a function of the application', async t => {
  const mutation = mutationOf(() => [async (n: number) => n + 1])
  t.equal(await mutation.run(1), 2)
  t.equal(mutation.state.data, 2)
})
