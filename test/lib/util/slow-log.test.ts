import t from 'tap'
import { SlowLog } from '../../../lib/util/slow-log.js'
import type { Log } from '../../../lib/util/log.js'
import { FakeClock } from '../../support/fake-clock.js'

interface Line {
  readonly message: string
  readonly [detail: string]: unknown
}

function startLog (slowMs = 100) {
  const lines: Line[] = []
  const warn = (details: object, message: string): void => { lines.push({ ...details, message }) }
  const log = { warn } as unknown as Log
  const clock = new FakeClock()
  const slowLog = new SlowLog({ slowMs, log, clock })
  const write = (subject: string, ms = 150): void => {
    slowLog.write(subject, ms, 'slow', () => ({ subject }))
  }
  return { slowLog, lines, clock, write }
}

t.test('a subject is logged once a minute, with the number of those left out', t => {
  const { lines, clock, write } = startLog()
  for (let i = 0; i < 1_000; i++) write('a')
  write('b', 123.4)
  t.same(lines, [{ subject: 'a', ms: 150, message: 'slow' }, { subject: 'b', ms: 123, message: 'slow' }])
  clock.turn(59_999)
  write('a')
  t.equal(lines.length, 2)
  clock.turn(1)
  write('a')
  write('b')
  t.same(lines.slice(2).map(({ omitted }) => omitted), [1_000, undefined])
  t.end()
})

t.test('all together get 60 lines a minute, and nothing is done for a line that is not written', t => {
  const { lines, clock, write } = startLog()
  let asked = 0
  for (let i = 0; i < 10_000; i++) write(`query ${i}`)
  t.equal(lines.length, 60)
  clock.turn(60_000)
  for (let i = 0; i < 10_000; i++) write(`query ${i}`)
  t.equal(lines.length, 120)
  const { slowLog } = startLog()
  for (let i = 0; i < 1_000; i++) slowLog.write('a', 150, 'slow', () => ({ asked: asked++ }))
  t.equal(asked, 1, 'the details of a line that is not written are not made')
  t.end()
})

t.test('slowMs is the first duration that is slow; 0 takes all, Infinity none', t => {
  const isSlow = (slowMs: number, ms: number): boolean => startLog(slowMs).slowLog.isSlow(ms)
  t.same([isSlow(100, 99.9), isSlow(100, 100)], [false, true])
  t.same([isSlow(0, 0), isSlow(Infinity, 1e9)], [true, false])
  t.end()
})
