import t from 'tap'
import { Listeners, ObservableState } from '../../../lib/client/observable.js'
import { shownErrors } from '../../support/shown-errors.js'

t.test('calls each listener after a change, until it has left', async t => {
  const listeners = new Listeners()
  const calls: string[] = []
  const leave = listeners.subscribe(() => { calls.push('a') })
  listeners.subscribe(() => { calls.push('b') })
  listeners.notify()
  leave()
  leave()
  listeners.notify()
  t.same(calls, ['a', 'b', 'b'])
})

t.test('one function that is subscribed twice is called twice, and leaves once', async t => {
  const listeners = new Listeners()
  let calls = 0
  const count = (): void => { calls++ }
  const leave = listeners.subscribe(count)
  listeners.subscribe(count)
  listeners.notify()
  leave()
  listeners.notify()
  t.equal(calls, 3)
})

t.test('a listener that throws harms no other', async t => {
  const shown = shownErrors(t)
  const listeners = new Listeners()
  let calls = 0
  listeners.subscribe(() => { throw new Error('broken') })
  listeners.subscribe(() => { calls++ })
  listeners.notify()
  t.equal(calls, 1)
  t.match(shown, [{ message: 'broken' }])
})

t.test('a state tells of changes alone', async t => {
  const state = new ObservableState()
  const seen: string[] = []
  state.subscribe(() => { seen.push(`${state.value} ${state.retryAt ?? ''}`) })
  t.equal(state.value, 'waiting')
  state.set({ value: 'connecting' })
  state.set({ value: 'connecting' })
  state.set({ value: 'waiting', retryAt: 5 })
  state.set({ value: 'waiting', retryAt: 6 })
  t.same(seen, ['connecting ', 'waiting 5', 'waiting 6'])
})
