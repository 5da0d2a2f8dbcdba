import fc from 'fast-check'
import t from 'tap'
import { createLiveQueries } from '../../../lib/client/live-queries.js'
import type { LiveQuery, QueryState } from '../../../lib/client/types.js'
import type { Row } from '../../support/live-list.js'
import { ModelServer } from '../../support/model-server.js'
import { sampled } from '../../support/sampled.js'

type Name = 'all' | 'open' | 'count' | 'texts'

const queries = {
  all: { query: 'all', key: 'id', evaluate: (records: readonly Row[]) => records },
  open: {
    query: { bucket: 'todos', filter: { done: false }, sort: { n: 'asc' } },
    key: 'id',
    evaluate: (records: readonly Row[]) => records.filter(({ done }) => done === false)
      .sort((a, b) => Number(a['n']) - Number(b['n']))
  },
  count: { query: 'count', key: null, evaluate: (records: readonly Row[]) => records.length },
  texts: {
    query: 'texts', key: null, evaluate: (records: readonly Row[]) => records.map(({ text }) => text)
  }
}
const names = Object.keys(queries) as Name[]

/** One step of the server, the network, or the application. */
type Step = readonly [
  step: 'write' | 'delete' | 'clear' | 'handle' | 'push' | 'deliver' | 'connect' | 'lose' | 'restart' |
  'end' | 'watch' | 'leave',
  a: number,
  b: number
]

const step: fc.Arbitrary<Step> = fc.tuple(
  fc.oneof(
    ...([
      [6, 'write'], [2, 'delete'], [1, 'clear'], [8, 'handle'], [6, 'push'], [12, 'deliver'], [3, 'connect'],
      [1, 'lose'], [1, 'restart'], [1, 'end'], [4, 'watch'], [1, 'leave']
    ] as const).map(([weight, name]) => ({ weight, arbitrary: fc.constant(name) }))
  ),
  fc.nat(7),
  fc.nat(3)
)

const first: readonly Step[] = [['connect', 0, 0], ['watch', 0, 0], ['watch', 0, 1], ['watch', 0, 2]]

/** A client, the server that it should show, and what its listeners have been told. */
class Run {
  readonly server = new ModelServer(queries)
  readonly client = createLiveQueries(this.server, { lingerMs: 1e9 })
  readonly shown: Record<Name, LiveQuery<any>>
  readonly #states = new Map<Name, QueryState<any>>()
  readonly #leave = new Map<Name, Array<() => void>>()
  /** A fault that a listener has found. */
  #fault: Error | undefined

  constructor (hasDelta: boolean) {
    if (!hasDelta) this.server.extensions.clear()
    this.server.extensions.add('find')
    this.server.listener = this.client
    this.shown = Object.fromEntries(names.map(name =>
      [name, this.client.query(queries[name].query)])) as Record<Name, LiveQuery<any>>
  }

  do ([step, a, b]: Step): void {
    const { server } = this
    const name = names[b] as Name
    switch (step) {
      case 'write':
        return server.commit(records => {
          const row = { id: a, n: b * 10 + a, done: b === 1, text: `${b}` }
          return records.some(({ id }) => id === a)
            ? records.map(other => other['id'] === a ? row : other)
            : [...records, row]
        })
      case 'delete': return server.commit(records => records.filter(({ id }) => id !== a))
      case 'clear': return server.commit(() => [])
      case 'push': return server.push(a === 0)
      case 'connect':
        server.connect()
        return
      case 'end': return server.end(name)
      case 'watch': {
        const query = this.shown[name]
        let seen: QueryState<any> | undefined
        const stop = query.subscribe(() => {
          if (query.state === seen) this.#fault = new Error(`${name}: a listener without a change`)
          seen = query.state
          this.#check(`a change of ${name}`)
        })
        seen = query.state
        this.#leave.set(name, [...this.#leave.get(name) ?? [], stop])
        return
      }
      case 'leave': return this.#leave.get(name)?.pop()?.()
      default: server[step]()
    }
  }

  /** Checks that all that is live is what the server has told, and that nothing changes without need. */
  checkAll (cause: string): void {
    this.#check(cause)
    if (this.#fault !== undefined) throw this.#fault
  }

  /** Brings everything to an end: then all that is watched is of now. */
  settle (): void {
    const { server } = this
    const last: Array<Step[0]> = ['lose', 'connect']
    for (const step of last) this.#doLast(step)
    while (!server.isIdle) for (const step of ['handle', 'deliver'] as const) this.#doLast(step)
    this.#doLast('push')
    while (!server.isIdle) this.#doLast('deliver')
    for (const [name, leave] of this.#leave) {
      if (leave.length === 0) continue
      const { data, status } = this.shown[name].state
      const result = JSON.stringify(server.resultOf(name))
      const isUnsupported = name === 'open' && !server.has('delta')
      if (isUnsupported ? status === 'error' : status === 'live' && JSON.stringify(data) === result) continue
      throw new Error(`${name}: ${status}, not ${result}`)
    }
    this.client.close()
  }

  #doLast (step: Step[0]): void {
    this.do([step, 1, 1])
    this.checkAll(`the last ${step}`)
  }

  #check (cause: string): void {
    for (const name of names) {
      const { state } = this.shown[name]
      const former = this.#states.get(name)
      this.#states.set(name, state)
      const problem = this.#problemOf(name, state, former)
      if (problem !== undefined) this.#fault ??= new Error(`${name}, after ${cause}: ${problem}`)
    }
  }

  #problemOf (name: Name, state: QueryState<any>, former: QueryState<any> | undefined): string | undefined {
    const { data } = state
    const told = JSON.stringify(this.server.told.get(name)?.data)
    if (this.shown[name].getSnapshot() !== data) return 'two results'
    const isTold = JSON.stringify(data) === told
    if (state.status === 'live' && !isTold) return `${JSON.stringify(data)}, not ${told}`
    if (former === undefined || former === state) return
    const isEqual = former.error === state.error && JSON.stringify(former) === JSON.stringify(state)
    if (isEqual) return 'a state without a change'
    if (!Array.isArray(former.data) || !Array.isArray(data)) return
    const rows = new Map(former.data.map(row => [JSON.stringify(row), row]))
    const changed = data.find(row => (rows.get(JSON.stringify(row)) ?? row) !== row)
    return changed === undefined ? undefined : `${JSON.stringify(changed)} was exchanged for an equal row`
  }
}

t.test('the client shows what the server has told, over any failures and restarts', async t => {
  const seed = Number(process.env['SAMPLE_SEED'] ?? Date.now() % 2 ** 31)
  t.comment(`SAMPLE_SEED=${seed}`)
  const counts: Record<string, number> = {}
  const steps = fc.array(step, { minLength: 20, maxLength: 150 })
  fc.assert(fc.property(fc.boolean(), steps, (hasDelta, steps) => {
    const run = new Run(hasDelta)
    for (const each of [...first, ...steps]) {
      run.do(each)
      run.checkAll(JSON.stringify(each))
      for (const name of names) counts[run.shown[name].status] = (counts[run.shown[name].status] ?? 0) + 1
    }
    run.settle()
  }), { seed, numRuns: sampled(5_000) })
  t.comment(JSON.stringify(counts))
  t.ok(Math.min(...['loading', 'live', 'stale', 'error'].map(status => counts[status] ?? 0)) > 500)
})
