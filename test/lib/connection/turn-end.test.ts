import t from 'tap'
import { flushAtTurnEnd } from '../../../lib/connection/turn-end.js'
import { runInNextTick, runInNextTurn } from '../../../lib/util/clock.js'
import { isTurnOver, isWorkWaiting, nextTurn } from '../../../lib/util/slice.js'
import { turns } from '../../support/event-loop.js'

/** Flushes that note their number in `flushed`. */
function noting () {
  const flushed: number[] = []
  const add = (number: number): void => { flushAtTurnEnd({ flush () { flushed.push(number) } }) }
  return { flushed, add }
}

const tick = async (): Promise<void> => { await new Promise<void>(resolve => { runInNextTick(resolve) }) }
const turn = async (): Promise<void> => { await new Promise<void>(resolve => { runInNextTurn(resolve) }) }

/** Holds the event loop until the long work of this turn must stop. */
function spendTurn (): void {
  while (!isTurnOver());
}

t.test('flushAtTurnEnd', t => {
  t.test('flushes at the end of the turn, in order, whichever tick of it asked', async t => {
    const { flushed, add } = noting()
    add(1)
    await tick()
    add(2)
    await tick()
    t.same(flushed, [])
    await turn()
    t.same(flushed, [1, 2])
    add(3)
    await turn()
    t.same(flushed, [1, 2, 3], 'each once')
  })

  t.test('flushes at the end of the tick when many wait', async t => {
    const { flushed, add } = noting()
    for (let i = 0; i < 63; i++) add(i)
    await tick()
    t.equal(flushed.length, 0)
    add(63)
    add(64)
    t.equal(flushed.length, 0, 'not within the tick')
    await tick()
    t.same(flushed, Array.from({ length: 65 }, (_, i) => i))
    add(65)
    await turn()
    t.equal(flushed.length, 66)
  })

  t.test('flushes at the end of the tick while long work waits for its turn', async t => {
    const { flushed, add } = noting()
    add(1)
    const work = nextTurn()
    t.equal(isWorkWaiting(), true)
    add(2)
    await tick()
    t.same(flushed, [1, 2])
    await work
    await turn()
    t.equal(isWorkWaiting(), false)
  })

  t.test('does not hold the event loop with the flushes of very many', async t => {
    const many = noting()
    for (let i = 0; i < 10; i++) many.add(i)
    flushAtTurnEnd({ flush: spendTurn })
    for (let i = 10; i < 60; i++) many.add(i)
    await turn()
    t.ok(many.flushed.length >= 10 && many.flushed.length < 60, `${many.flushed.length} in the first turn`)
    const { flushed, add } = noting()
    add(1)
    await tick()
    t.same(flushed, [1], 'what is sent meanwhile does not wait for them')
    await turns()
    t.same(many.flushed, Array.from({ length: 60 }, (_, i) => i))
  })
  t.end()
})
