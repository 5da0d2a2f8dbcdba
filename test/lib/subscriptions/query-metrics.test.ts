import type { DeclarativeQueryConfig, QueryInfo } from '@hamicek/noex-store'
import t from 'tap'
import type { Log } from '../../../lib/util/log.js'
import { SlowLog } from '../../../lib/util/slow-log.js'
import { QueryMetrics, type QueryCost } from '../../../lib/subscriptions/query-metrics.js'
import { shapeOf } from '../../../lib/subscriptions/query-shape.js'
import { FakeClock } from '../../support/fake-clock.js'
import { usedBytes } from '../../hostile/used-bytes.js'

/** A store in which every query is defined that does not begin with "no ", as data where it has a config. */
function storeWith (configs: Readonly<Record<string, DeclarativeQueryConfig>> = {}) {
  return {
    getQueryInfo (name: string): QueryInfo | undefined {
      if (name.startsWith('no ')) return undefined
      const config = Object.hasOwn(configs, name) ? configs[name] : undefined
      const type = config === undefined ? 'programmatic' : 'declarative'
      return { name, type, activeSubscriptions: 0, isRecovered: false, ...(config && { config }) }
    }
  }
}

function startMetrics (slowMs = 100) {
  const clock = new FakeClock()
  const lines: object[] = []
  const log = { warn (details: object) { lines.push(details) } } as unknown as Log
  const slowLog = new SlowLog({ slowMs, log, clock })
  const metrics = new QueryMetrics({ store: storeWith(), clock, slowLog })
  const evaluate = (cost: QueryCost | undefined, ms: number, rows?: number): void => {
    const end = metrics.begin(cost, 'user alice')
    clock.turn(ms)
    end(rows)
  }
  return { metrics, evaluate, lines, clock }
}

const named = (query: string) => ({ query, params: undefined, page: undefined })
const search = (find: DeclarativeQueryConfig) => ({ find, params: undefined, page: undefined })

t.test('evaluations are summed up by shape, and failures leave the rows', t => {
  const { metrics, evaluate, lines } = startMetrics()
  const cost = metrics.costOf(named('totals'))
  evaluate(cost, 10, 3)
  evaluate(cost, 250, 5)
  evaluate(metrics.costOf(named('totals')), 20)
  t.match(cost, { evaluations: 3, ms: 280, lastMs: 20, maxMs: 250, rows: 5, slow: 1 })
  t.match(lines, [{ query: 'totals', kind: 'code', rows: 5, userId: 'alice', ms: 250 }])
  t.match(metrics.labels, [{ query: 'totals', slow: 1, durations: { sum: 280 } }])
  t.end()
})

t.test('what is not defined is counted, and takes no memory', t => {
  const { metrics, evaluate } = startMetrics()
  for (let i = 0; i < 10_000; i++) evaluate(metrics.costOf(named(`no ${i}`)), 1)
  t.same([metrics.costs.length, metrics.labels.length, metrics.evaluations], [0, 0, 10_000])
  t.end()
})

t.test('of 1,000 queries 100 have labels, and the text of one is cut', t => {
  const { metrics, evaluate } = startMetrics()
  evaluate(metrics.costOf(search({ bucket: 'b' })), 1)
  for (let i = 0; i < 1_000; i++) evaluate(metrics.costOf(named(`${i}"}\n${'x'.repeat(1_000)}`)), 1)
  t.equal(metrics.labels.length, 102)
  t.equal(metrics.labels.find(({ query }) => query === '(other)')?.durations.sum, 900)
  t.equal(Math.max(...metrics.labels.map(({ query }) => query.length)), 128)
  evaluate(metrics.costOf(named('(other)')), 1)
  t.equal(new Set(metrics.labels.map(({ query }) => query)).size, 102, 'a name like that is no second label')
  t.end()
})

t.test('10,000 searches take the place of those that are not watched, and never that of a name', t => {
  const { metrics, evaluate } = startMetrics()
  evaluate(metrics.costOf(named('totals')), 1)
  const watched = metrics.costOf(search({ bucket: 'b', filter: { watched: 1 } }))
  if (watched !== undefined) watched.liveQueries++
  for (let i = 0; i < 10_000; i++) {
    evaluate(metrics.costOf(search({ bucket: 'b', filter: { [`f${i}`]: 1 } })), 1)
  }
  t.equal(metrics.costs.length, 1_000)
  const kept = metrics.costs.map(({ shape: { query } }) => query)
  const expected = ['totals', 'find in b by watched', 'find in b by f9999']
  for (const query of expected) t.ok(kept.includes(query), query)
  for (const cost of metrics.costs) cost.liveQueries++
  evaluate(metrics.costOf(search({ bucket: 'c' })), 1)
  evaluate(metrics.costOf(search({ bucket: 'd' })), 1)
  t.equal(metrics.costs.length, 1_001)
  t.match(metrics.costs.at(-1), { shape: { query: '(other)' }, evaluations: 2 })
  t.end()
})

t.test('the shape of a search has its fields and operators in one order, and no values', t => {
  const shape = (find: DeclarativeQueryConfig): string | undefined =>
    shapeOf(storeWith(), search(find))?.query
  t.equal(shape({ bucket: 'b', filter: { z: 'secret', a: { $lt: 2, $gt: 1 } }, sort: { a: 'asc' } }),
    'find in b by a $gt $lt, z sorted by a')
  t.equal(shape({ bucket: 'b', filter: { a: { $gt: 1, $lt: 2 }, z: 1 }, sort: { a: 'desc' } }),
    'find in b by a $gt $lt, z sorted by a')
  const $or = [{ a: 1 }, { a: 2 }, { b: 'secret' }]
  t.equal(shape({ bucket: 'b', filter: { $or } }), 'find in b by $or(a; b)')
  t.equal(shape({ bucket: 'b', aggregate: { function: 'sum', field: 'n' } }), 'find in b (sum)')
  t.equal(shape({ bucket: 'b', filter: { ['x'.repeat(100_000)]: 1 } })?.length, 200)
  t.end()
})

t.test('parameters are the placeholders of a query as data, and the names given to one in code', t => {
  const $or = [{ b: { $in: ['{{ params.y }}'] } }, { c: 1 }]
  const store = storeWith({ data: { bucket: 'b', filter: { a: '{{ params.x }}', $or } } })
  const paramsOf = (query: string, params: unknown): readonly string[] | undefined =>
    shapeOf(store, { query, params, page: undefined })?.params
  t.same(paramsOf('data', { x: 'secret' }), ['x', 'y'])
  t.same(paramsOf('code', { p: 'secret', ['q'.repeat(100)]: 1 }), ['p', 'q'.repeat(64)])
  for (const params of [undefined, null, 'secret', ['secret'], 7]) t.same(paramsOf('code', params), [])
  const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`p${i}`, i]))
  t.equal(paramsOf('code', many)?.length, 20)
  t.end()
})

t.test('long names of 300 searches are not kept, and neither are values', t => {
  const { metrics, evaluate } = startMetrics()
  const before = usedBytes()
  for (let i = 0; i < 300; i++) {
    const long = `${i}${'x'.repeat(100_000)}`
    const find = JSON.parse(JSON.stringify({
      bucket: 'b',
      filter: { [long]: 1, [`f${i}`]: long, $or: [{ a: long }] },
      sort: { [`s${long}`]: 'asc' },
      limit: 1
    })) as DeclarativeQueryConfig
    evaluate(metrics.costOf(search(find)), 1)
  }
  t.equal(metrics.costs.length, 300)
  // What V8 knows of objects with such names goes with a later collection.
  const kept = Math.min(...Array.from({ length: 5 }, usedBytes)) - before
  t.ok(kept < 5_000_000, `${kept} bytes for 300 searches of 300 KB`)
  t.end()
})
