import t from 'tap'
import type { LiveQuery } from '../../../lib/subscriptions/live-query.js'
import { Publisher, type Receiver } from '../../../lib/subscriptions/publisher.js'
import { isTurnOver } from '../../../lib/util/slice.js'
import { turns } from '../../support/event-loop.js'
import { silentLog } from '../../support/silent-log.js'

/** A state that the test changes, and what is published of it. */
function publish () {
  const state = { revision: 1, isBusy: false }
  const publisher = new Publisher(state, silentLog)
  const shown: unknown[] = []
  const receiver = (
    name: string, { isCatchingUp = false, busyMs = 0, isDone = (): boolean => true } = {}
  ): Receiver => ({
    isCatchingUp: () => isCatchingUp,
    flush (revision) {
      shown.push(`${name} ${revision}${state.isBusy ? ' within a commit' : ''}`)
      // From the first look at it on, a turn is measured.
      isTurnOver()
      for (const end = performance.now() + busyMs; performance.now() < end;);
      return isDone()
    }
  })
  const liveQuery = { publish () { shown.push('published') } } as unknown as LiveQuery
  return { state, publisher, shown, receiver, liveQuery }
}

t.test('publishes once per tick, those first that need frames of their own', async t => {
  const { publisher, shown, receiver, liveQuery } = publish()
  const [a, b] = [receiver('a'), receiver('b', { isCatchingUp: true })]
  publisher.add(liveQuery)
  publisher.add(liveQuery)
  for (const one of [a, b, a]) publisher.flush(one)
  t.same(shown, [], 'after the replies of this tick')
  await turns()
  t.same(shown, ['published', 'b 1', 'a 1'])
})

t.test('waits for a commit that is being put in, and goes on when the views tell a revision', async t => {
  const { state, publisher, shown, receiver, liveQuery } = publish()
  state.isBusy = true
  publisher.add(liveQuery)
  publisher.flush(receiver('a'))
  await turns()
  t.same(shown, [])
  // The views tell a revision in the last step of the commit, when they are still busy.
  state.revision = 2
  publisher.schedule()
  state.isBusy = false
  await turns()
  t.same(shown, ['published', 'a 2'])
})

t.test('shows nothing of a commit that begins between two connections', async t => {
  const { state, publisher, shown, receiver } = publish()
  publisher.flush(receiver('a', { busyMs: 12 }))
  publisher.flush(receiver('b'))
  await new Promise(resolve => { setImmediate(resolve) })
  state.isBusy = true
  await turns()
  await turns()
  t.same(shown, ['a 1'])
  state.isBusy = false
  publisher.schedule()
  await turns()
  await turns()
  t.same(shown, ['a 1', 'b 1'])
})

t.test('calls a connection again that was not done, and none after the end', async t => {
  const { publisher, shown, receiver } = publish()
  let calls = 0
  publisher.flush(receiver('a', { isDone: () => ++calls > 2 }))
  await turns()
  await turns()
  t.equal(calls, 3)
  publisher.flush(receiver('b'))
  publisher.stop()
  await turns()
  publisher.flush(receiver('c'))
  await turns()
  t.equal(shown.length, 3)
})
