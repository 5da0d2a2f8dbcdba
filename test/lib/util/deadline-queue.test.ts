import t from 'tap'
import { DeadlineQueue } from '../../../lib/util/deadline-queue.js'
import { FakeClock } from '../../support/fake-clock.js'

t.test('DeadlineQueue', t => {
  function queue (delayMs = 100) {
    const clock = new FakeClock()
    const expired: Array<readonly [string, number]> = []
    const queue = new DeadlineQueue<string>(delayMs, clock, item => { expired.push([item, clock.ticks()]) })
    return { clock, expired, queue }
  }

  t.test('gives each item its whole time and no more', async t => {
    const { clock, expired, queue: deadlines } = queue()
    deadlines.add('a')
    clock.turn(10)
    deadlines.add('b')
    clock.turn(89)
    t.same(expired, [])
    clock.turn(1)
    t.same(expired, [['a', 100]])
    clock.turn(10)
    t.same(expired, [['a', 100], ['b', 110]])
    t.equal(deadlines.size, 0)
    t.equal(clock.pending, 0, 'no timer runs for nothing')
  })

  t.test('starts the time anew when an item is added again', async t => {
    const { clock, expired, queue: deadlines } = queue()
    deadlines.add('a')
    clock.turn(60)
    deadlines.add('a')
    clock.turn(99)
    t.same(expired, [])
    clock.turn(1)
    t.same(expired, [['a', 160]])
  })

  t.test('forgets what is deleted, and everything when cleared', async t => {
    const { clock, expired, queue: deadlines } = queue()
    deadlines.add('a')
    deadlines.add('b')
    deadlines.delete('a')
    deadlines.delete('unknown')
    t.equal(deadlines.size, 1)
    deadlines.clear()
    t.equal(deadlines.size, 0)
    t.equal(clock.pending, 0)
    clock.turn(1_000)
    t.same(expired, [])
    deadlines.add('c')
    clock.turn(100)
    t.same(expired, [['c', 1_100]], 'it can be used again')
  })

  t.test('waits for any number of items with one timer', async t => {
    const { clock, expired, queue: deadlines } = queue()
    for (let i = 0; i < 1_000; i++) {
      deadlines.add(String(i))
      if (i % 20 === 0) clock.turn(1)
    }
    t.equal(clock.pending, 1)
    clock.turn(100)
    t.equal(expired.length, 1_000)
    t.same(expired.map(([item]) => item), expired.map((_, i) => String(i)), 'in the order of adding')
  })

  t.test('lets an expired item start again without delaying the others', async t => {
    const clock = new FakeClock()
    const expired: Array<readonly [string, number]> = []
    const deadlines = new DeadlineQueue<string>(100, clock, item => {
      expired.push([item, clock.ticks()])
      deadlines.add(item)
    })
    deadlines.add('a')
    clock.turn(10)
    deadlines.add('b')
    clock.turn(290)
    t.same(expired, [['a', 100], ['b', 110], ['a', 200], ['b', 210], ['a', 300]])
    t.equal(clock.pending, 1)
  })

  t.test('may be cleared by what expires', async t => {
    const clock = new FakeClock()
    const expired: string[] = []
    const deadlines = new DeadlineQueue<string>(100, clock, item => {
      expired.push(item)
      deadlines.clear()
    })
    deadlines.add('a')
    deadlines.add('b')
    clock.turn(1_000)
    t.same(expired, ['a'])
    t.equal(clock.pending, 0)
  })

  t.test('never expires early when the timer does', async t => {
    const clock = new FakeClock()
    const early: FakeClock['after'] = (delayMs, callback) => clock.after(delayMs - 0.4, callback)
    const expired: number[] = []
    const deadlines = new DeadlineQueue<string>(
      100,
      { now: () => clock.now(), ticks: () => clock.ticks(), after: early },
      () => { expired.push(clock.ticks()) }
    )
    deadlines.add('a')
    clock.turn(200)
    t.equal(expired.length, 1)
    t.ok((expired[0] as number) >= 100)
  })
  t.end()
})
