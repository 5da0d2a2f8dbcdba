import t from 'tap'
import { watchLiveness, type Liveness } from '../../../lib/client/liveness.js'
import { FakeEnvironment } from '../../support/fake-line.js'

interface Watched extends FakeEnvironment {
  readonly liveness: Liveness
  pings: number
  deaths: number
}

function watched (): Watched {
  const state = Object.assign(new FakeEnvironment(), { pings: 0, deaths: 0 })
  const liveness = watchLiveness(state, () => { state.pings++ }, () => { state.deaths++ })
  return Object.assign(state, { liveness })
}

t.test('a silent connection is tested, and dead two seconds later', async t => {
  const state = watched()
  state.liveness.heard(30_000)
  state.clock.turn(29_999)
  t.equal(state.pings, 0)
  state.clock.turn(1)
  t.equal(state.pings, 1)
  state.clock.turn(1_999)
  t.equal(state.deaths, 0)
  state.clock.turn(1)
  t.equal(state.deaths, 1)
  t.equal(state.clock.pending, 0)
})

t.test('with a short time of silence the answer has no more than that', async t => {
  const state = watched()
  state.liveness.heard(1_000)
  state.clock.turn(2_000)
  t.equal(state.deaths, 1)
})

t.test('any message is life', async t => {
  const state = watched()
  for (let i = 0; i < 5; i++) {
    state.liveness.heard(1_000)
    state.clock.turn(1_500)
  }
  t.equal(state.pings, 5)
  t.equal(state.deaths, 0)
})

t.test('a test begins at once when it is asked for, and once', async t => {
  const state = watched()
  state.liveness.heard(30_000)
  state.liveness.test()
  state.clock.turn(1_000)
  state.liveness.test()
  t.equal(state.pings, 1)
  state.clock.turn(1_000)
  t.equal(state.deaths, 1)
})

t.test('a timer that is late because the program stood still kills nothing without another test', async t => {
  const state = watched()
  state.liveness.heard(30_000)
  state.clock.turn(31_000)
  t.equal(state.pings, 1)
  // The tab is frozen for an hour in the middle of the test; the answer waits behind the timer.
  state.clock.stall(3_600_000)
  state.clock.turn(0)
  t.equal(state.deaths, 0)
  t.equal(state.pings, 2)
  state.liveness.heard(30_000)
  state.clock.turn(29_999)
  t.equal(state.deaths, 0)
})

t.test('the timer of silence that is late begins a test', async t => {
  const state = watched()
  state.liveness.heard(30_000)
  state.clock.stall(86_400_000)
  state.clock.turn(0)
  t.equal(state.pings, 1)
  t.equal(state.deaths, 0)
  state.clock.turn(2_000)
  t.equal(state.deaths, 1, 'no answer after it woke')
})

t.test('nothing happens once it is stopped', async t => {
  const state = watched()
  state.liveness.heard(1_000)
  state.liveness.stop()
  t.equal(state.clock.pending, 0)
})
