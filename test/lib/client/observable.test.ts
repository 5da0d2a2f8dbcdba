import t from 'tap'
import { ObservableState } from '../../../lib/client/observable.js'
import { shownErrors } from '../../support/shown-errors.js'

t.test('calls each listener after a change, until it has left', async t => {
  const state = new ObservableState()
  const calls: string[] = []
  const leave = state.subscribe(() => { calls.push('a') })
  state.subscribe(() => { calls.push('b') })
  state.set({ retryAt: 1 })
  leave()
  leave()
  state.set({ retryAt: 2 })
  t.same(calls, ['a', 'b', 'b'])
})

t.test('one function that is subscribed twice is called twice, and leaves once', async t => {
  const state = new ObservableState()
  let calls = 0
  const count = (): void => { calls++ }
  const leave = state.subscribe(count)
  state.subscribe(count)
  state.set({ retryAt: 1 })
  leave()
  state.set({ retryAt: 2 })
  t.equal(calls, 3)
})

t.test('a listener that throws harms no other', async t => {
  const shown = shownErrors(t)
  const state = new ObservableState()
  let calls = 0
  state.subscribe(() => { throw new Error('broken') })
  state.subscribe(() => { calls++ })
  state.set({ retryAt: 1 })
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
