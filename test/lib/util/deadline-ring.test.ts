import t from 'tap'
import { DeadlineRing, ExpiringItem } from '../../../lib/util/deadline-ring.js'
import { Ring, RingItem } from '../../../lib/util/ring.js'
import { FakeClock } from '../../support/fake-clock.js'

class Named extends RingItem {
  readonly name: string

  constructor (name: string) {
    super()
    this.name = name
  }
}

t.test('a ring keeps its items in order, and lets any of them go', async t => {
  const ring = new Ring<Named>()
  t.ok(ring.isEmpty)
  t.equal(ring.oldest, undefined)
  const [a, b, c] = ['a', 'b', 'c'].map(name => new Named(name)) as [Named, Named, Named]
  for (const item of [a, b, c]) ring.add(item)
  t.same([...ring].map(({ name }) => name), ['a', 'b', 'c'])
  ring.delete(b)
  ring.delete(b)
  t.same([...ring].map(({ name }) => name), ['a', 'c'])
  t.same([b.older, b.newer], [undefined, undefined], 'it holds none of the others')
  ring.delete(a)
  t.equal(ring.oldest, c)
  ring.add(a)
  t.same([...ring].map(({ name }) => name), ['c', 'a'])
  const seen: string[] = []
  for (const { name } of ring) {
    seen.push(name)
    ring.delete(a)
    ring.delete(c)
  }
  t.same(seen, ['c'], 'what is deleted meanwhile does not come')
  t.ok(ring.isEmpty)
})

class Expiring extends ExpiringItem {
  readonly onTimeout: () => void

  constructor (onTimeout: () => void) {
    super()
    this.onTimeout = onTimeout
  }
}

t.test('items expire after the delay, each once, with one timer', async t => {
  const clock = new FakeClock()
  const ring = new DeadlineRing(100, clock)
  const expired: string[] = []
  const item = (name: string): Expiring => new Expiring(() => { expired.push(`${name} ${clock.ticks()}`) })
  const [a, b, c] = [item('a'), item('b'), item('c')]
  ring.add(a)
  clock.turn(60)
  ring.add(b)
  ring.add(c)
  t.equal(clock.pending, 1)
  ring.delete(b)
  clock.turn(39)
  t.same(expired, [])
  clock.turn(1)
  t.same(expired, ['a 100'])
  ring.delete(a)
  clock.turn(200)
  t.same(expired, ['a 100', 'c 160'])
  t.equal(clock.pending, 0)
  ring.add(b)
  clock.turn(100)
  t.same(expired.at(-1), 'b 400')
})

t.test('after a stop nothing expires', async t => {
  const clock = new FakeClock()
  const ring = new DeadlineRing(100, clock)
  ring.add(new Expiring(() => { t.fail('expired') }))
  ring.stop()
  t.equal(clock.pending, 0)
  clock.turn(1_000)
})
