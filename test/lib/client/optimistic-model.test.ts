import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { createLiveQueries } from '../../../lib/client/live-queries.js'
import type { LiveQuery } from '../../../lib/client/types.js'
import { clientCode } from '../../support/client-code.js'
import type { Row } from '../../support/live-list.js'
import { ModelServer } from '../../support/model-server.js'
import { sampled } from '../../support/sampled.js'

type Name = 'all' | 'open' | 'count'

const queries = {
  all: { query: { bucket: 'todos' }, key: 'id', evaluate: (records: readonly Row[]) => records },
  open: {
    query: { bucket: 'todos', filter: { done: false }, sort: { n: 'asc' } },
    key: 'id',
    evaluate: sortedOpen
  },
  count: { query: 'count', key: null, evaluate: (records: readonly Row[]) => records.length }
}
const names = Object.keys(queries) as Name[]

function sortedOpen (rows: readonly Row[]): Row[] {
  return rows.filter(({ done }) => done === false).sort((a, b) => Number(a['n']) - Number(b['n']))
}

/** Changes of the application: each its kind, which of the shown rows, and whether it is done then. */
type ChangeStep = ReadonlyArray<readonly [op: 'insert' | 'update' | 'delete', at: number, done: boolean]>

type Step =
  | 'handle' | 'push' | 'deliver' | 'connect' | 'lose'
  | { readonly write: number }
  | { readonly changes: ChangeStep, readonly isAccepted: boolean }

const change = fc.tuple(fc.constantFrom('insert', 'update', 'delete'), fc.nat(5), fc.boolean())
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.constant('handle' as const) },
  { weight: 6, arbitrary: fc.constant('push' as const) },
  { weight: 12, arbitrary: fc.constant('deliver' as const) },
  { weight: 2, arbitrary: fc.constant('connect' as const) },
  { weight: 1, arbitrary: fc.constant('lose' as const) },
  { weight: 3, arbitrary: fc.record({ write: fc.nat(2) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      changes: fc.array(change, { minLength: 1, maxLength: 3 }) as fc.Arbitrary<ChangeStep>,
      isAccepted: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false))
    })
  }
)

/** A change, as the reference knows it. */
interface Known {
  readonly op: 'insert' | 'update' | 'delete'
  /** That of a new record is known when the server has answered. */
  id: unknown
  readonly data: Row
  /** The record that was shown when it was made. */
  readonly former: Row | undefined
}

/** The changes of one transaction, as the reference knows them. */
interface KnownLayer {
  readonly changes: Known[]
  /** The queries that have the changes, as the server has said. */
  readonly shownBy: Set<Name>
  isAnswered?: boolean
  revision?: number
  isGone?: boolean
}

/** A client with optimistic changes, and what it must show. */
class Run {
  readonly server = new ModelServer(queries)
  readonly client = createLiveQueries(this.server, { lingerMs: 60_000 })
  readonly shown: Record<Name, LiveQuery<any>>
  readonly layers: KnownLayer[] = []
  /** Texts of records that were added, and not refused: each is shown once from then on. */
  readonly #added = new Set<unknown>()
  /** A fault that a listener has found. */
  #fault: Error | undefined
  #connections = 0
  #last = 0

  constructor () {
    this.server.listener = this.client
    this.server.onNotice = shown => {
      const live = names.filter(name => this.shown[name].status === 'live')
      for (const { revision, shownBy } of this.layers) {
        if (Number(revision) <= shown) for (const name of live) shownBy.add(name)
      }
    }
    const entries = names.map(name => [name, this.client.query(queries[name].query)] as const)
    this.shown = Object.fromEntries(entries) as Record<Name, LiveQuery<any>>
    for (const [, query] of entries) query.subscribe(() => { this.#checkOnce() })
    this.server.commit(() => [0, 1, 2].map(i => ({ id: `o${i}`, text: `o${i}`, done: i === 1, n: i })))
  }

  async do (step: Step): Promise<void> {
    if (step === 'connect') this.#connect()
    else if (step === 'push') this.server.push(false)
    else if (typeof step === 'string') this.server[step]()
    else if ('write' in step) this.#write(step.write)
    else this.#change(step.changes, step.isAccepted)
    await (step === 'connect' ? clientCode() : setImmediate())
    this.#check(JSON.stringify(step))
  }

  async settle (): Promise<void> {
    for (const step of ['lose', 'connect'] as const) await this.do(step)
    while (!this.server.isIdle) for (const step of ['handle', 'deliver', 'push'] as const) await this.do(step)
    for (const name of names) {
      const { data, status } = this.shown[name].state
      if (status !== 'live' || JSON.stringify(data) !== JSON.stringify(this.server.resultOf(name))) {
        throw new Error(`${name} is ${status}: ${JSON.stringify(data)}`)
      }
    }
    this.client.close()
  }

  #connect (): void {
    if (this.server.isReady) return
    const connection = ++this.#connections
    const answered = this.layers.filter(({ isAnswered }) => isAnswered)
    this.server.connect().then(() => {
      if (connection !== this.#connections || !this.server.isReady) return
      for (const layer of answered) layer.isGone = true
    })
  }

  /** Another client changes one of its records. */
  #write (which: number): void {
    const id = `o${which}`
    this.server.commit(records => records.map(row => row['id'] === id ? { ...row, by: ++this.#last } : row))
  }

  #change (steps: ChangeStep, isAccepted: boolean): void {
    const rows: readonly Row[] = this.shown.all.getSnapshot() ?? []
    const layer: KnownLayer = { changes: [], shownBy: new Set() }
    const isTemporary = ({ id }: Row): boolean => String(id).startsWith('optimistic')
    const free = rows.filter(row => !isTemporary(row) && row['text'] !== row['id'])
    this.client.optimistic(tx => {
      const todos = tx.bucket('todos')
      for (const [op, at, done] of steps) {
        const data = { done, n: ++this.#last + 100 }
        const former = free.splice(at % (free.length + 1), 1)[0]
        if (op === 'insert') {
          const added = { ...data, text: `new ${this.#last}` }
          todos.insert(added)
          tx.query<number>(this.shown.count, count => count + 1)
          layer.changes.push({ op, id: undefined, data: added, former: undefined })
        } else if (former !== undefined) {
          if (op === 'update') todos.update(former['id'], data)
          else todos.delete(former['id'])
          layer.changes.push({ op, id: former['id'], data, former })
          if (op === 'delete') this.#added.delete(former['text'])
        }
      }
    }, undefined, async (_type, members: any, _options, onReply) => {
      this.layers.push(layer)
      for (const { op, data } of layer.changes) if (op === 'insert') this.#added.add(data['text'])
      return await this.server.send(members, isAccepted, reply => {
        layer.isAnswered = true
        layer.revision = reply['revision']
        layer.changes.forEach((change, i) => { change.id ??= reply['data'].results[i]?.data.id })
        onReply?.(reply)
      }).catch((error: unknown) => {
        layer.isGone = true
        for (const { op, data } of layer.changes) if (op === 'insert') this.#added.delete(data['text'])
        throw error
      })
    }).catch(() => {})
  }

  #isOver (layer: KnownLayer, name: Name): boolean {
    const { isGone, revision = Infinity, shownBy } = layer
    const told = this.server.told.get(name)
    return isGone !== true && told !== undefined && told.revision < revision && !shownBy.has(name)
  }

  /** Returns what a list must show: its base, and one layer after the other. */
  #expected (name: 'all' | 'open'): Row[] {
    let rows = this.server.told.get(name)?.data as Row[]
    for (const layer of this.layers.filter(layer => this.#isOver(layer, name))) {
      for (const { op, id, data, former } of layer.changes) {
        const row = rows.find(row => row['id'] === id)
        if (op === 'delete') rows = rows.filter(other => other !== row)
        else if (op === 'insert') rows = [...rows, { ...data, id }]
        else if (row !== undefined) rows = rows.map(other => other === row ? { ...row, ...data } : other)
        else if (name === 'open') rows = [...rows, { ...former, ...data }]
        if (name === 'open') rows = sortedOpen(rows)
      }
    }
    return rows
  }

  #check (cause: string): void {
    if (this.#fault !== undefined) throw this.#fault
    const essence = (rows: readonly Row[]): string =>
      JSON.stringify(rows.map(({ text, done, n, by }) => [text, done, n, by]))
    for (const name of ['all', 'open'] as const) {
      const { data } = this.shown[name].state
      if (data === undefined) continue
      const [found, expected] = [essence(data), essence(this.#expected(name))]
      if (found !== expected) throw new Error(`${name}, after ${cause}: ${found}, not ${expected}`)
    }
    const { data } = this.shown.count.state
    const more = this.layers.filter(layer => this.#isOver(layer, 'count'))
      .flatMap(({ changes }) => changes.filter(({ op }) => op === 'insert'))
    const expected = Number(this.server.told.get('count')?.data) + more.length
    if (data === undefined || data === expected) return
    throw new Error(`count, after ${cause}: ${data}, not ${expected}`)
  }

  /** Checks that what was added is shown, and shown once. */
  #checkOnce (): void {
    const texts: unknown[] | undefined = this.shown.all.getSnapshot()?.map(({ text }: Row) => text)
    if (texts === undefined) return
    const wrong = [...this.#added].find(added => texts.filter(text => text === added).length !== 1)
    if (wrong !== undefined) this.#fault ??= new Error(`${wrong} in ${texts}`)
  }
}

t.test('changes are shown over what the server has told, until that has them', async t => {
  const seed = Number(process.env['SAMPLE_SEED'] ?? Date.now() % 2 ** 31)
  t.comment(`SAMPLE_SEED=${seed}`)
  let layers = 0
  const steps = fc.array(step, { minLength: 20, maxLength: 120 })
  await fc.assert(fc.asyncProperty(steps, async steps => {
    const run = new Run()
    for (const each of ['connect' as const, ...steps]) await run.do(each)
    await run.settle()
    layers += run.layers.length
  }), { seed, numRuns: sampled(2_000) })
  t.comment(`${layers} transactions`)
  t.ok(layers > sampled(2_000))
})
