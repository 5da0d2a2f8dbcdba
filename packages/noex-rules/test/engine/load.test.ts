import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import type { RuleEngine } from '../../src/index.js'
import { onTopic, rule, startEngine } from '../support/start-engine.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** A tenth in a run that is not thorough, as in `sampled` of the tests of the plugin. */
const EVENTS = process.env['THOROUGH'] === '1' ? 200_000 : 20_000
const STRETCHES = 4

/** Returns the milliseconds of each of four stretches of events, and the bytes of the heap after each. */
async function emitMany (engine: RuleEngine): Promise<{ times: number[], heap: number[] }> {
  const times: number[] = []
  const heap: number[] = []
  for (let stretch = 0; stretch < STRETCHES; stretch++) {
    const start = performance.now()
    for (let n = 0; n < EVENTS / STRETCHES; n++) await engine.emit('a', { n })
    times.push(performance.now() - start)
    heap.push(heapUsed())
  }
  return { times, heap }
}

/** Returns the bytes of the heap in use. */
function heapUsed (): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

const engines: Array<[name: string, prepare: (engine: RuleEngine) => void]> = [
  ['without subscribers and rules', () => {}],
  ['that a rule looks at', engine => {
    engine.registerRule(onTopic(
      'a', { conditions: [{ source: { type: 'event', field: 'n' }, operator: 'lt', value: 0 }] }
    ))
    engine.registerRule(onTopic('b*'))
  }],
  ['that a subscriber hears of and a rule makes facts of', engine => {
    engine.subscribe('*', () => {})
    engine.registerRule(onTopic(
      'a', { actions: [{ type: 'set_fact', key: 'last', value: { ref: 'event.n' } }] }
    ))
  }],
  ['that are watched for a sequence', engine => {
    engine.registerRule(rule({
      trigger: {
        type: 'temporal',
        pattern: {
          type: 'sequence', events: [{ topic: 'a' }, { topic: 'never' }], within: '1h', groupBy: 'n'
        }
      }
    }))
  }]
]

for (const [name, prepare] of engines) {
  t.test(`events of one topic ${name} take the same time each, and leave nothing behind`, async t => {
    const { engine } = await startEngine(t, { maxTemporalInstances: 1000 })
    prepare(engine)
    const { times, heap } = await emitMany(engine)
    t.equal(engine.getStats().eventsProcessed, EVENTS)
    // The first stretch warms up. Another program may use the processor, but not during all of the rest.
    const [first = 0, ...others] = times
    t.ok(Math.min(...others) < first * 3 + 50, `milliseconds: ${times.map(Math.round).join(', ')}`)
    t.ok(Math.min(...heap.slice(1)) - heap[0]! < 3_000_000, `bytes: ${heap.join(', ')}`)
  })
}

t.test('events without end of ever new topics leave nothing behind either', async t => {
  const { engine } = await startEngine(t)
  engine.registerRule(onTopic('never.*'))
  engine.subscribe('never.*', () => {})
  const heap: number[] = []
  for (let n = 0; n < 100_000; n++) {
    await engine.emit(`topic.${n}`)
    if (n % 25_000 === 24_999) heap.push(heapUsed())
  }
  t.ok(Math.min(...heap.slice(1)) - heap[0]! < 3_000_000, `bytes: ${heap.join(', ')}`)
})

t.test('patterns written to be slow are refused or quick', async t => {
  const { engine } = await startEngine(t)
  for (const pattern of [
    '*a'.repeat(8) + 'b', '*a*'.repeat(4) + 'b', '*.'.repeat(31) + '*a*a*a*b', 'a'.repeat(5000) + '*',
    '*a'.repeat(5000)
  ]) {
    const start = performance.now()
    try {
      engine.registerRule(onTopic(pattern))
      engine.subscribe(pattern, () => {})
      engine.queryFacts(pattern)
    } catch {}
    await engine.emit('a'.repeat(1000))
    await engine.emit('a.'.repeat(500) + 'a')
    t.ok(performance.now() - start < 250, pattern.slice(0, 20))
  }
})
