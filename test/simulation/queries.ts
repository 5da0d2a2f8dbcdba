import type { DeclarativeQueryConfig, QueryContext, WhereFilter } from '@hamicek/noex-store'
import type { LiveRequest } from '../support/live-client.js'
import type { StateAt } from './history.js'
import { evaluate, plainContext, Unreadable, type Rows } from './plain-evaluation.js'
import type { Random } from './random.js'
import { users } from './rights.js'

/** Buckets of the simulation that queries read. */
export const bucketNames = ['items', 'counted', 'lines'] as const

const states = ['open', 'closed', 'held', null] as const
const words = ['lamp', 'Lamp', 'table', 'taBLE', 'čaj', '"quoted"', '', '1', 'élan'] as const

/** A query in code; `variant` counts its runs, so that it need not answer the same each time. */
interface CodeQuery {
  readonly variants: number
  readonly run: (ctx: QueryContext, params: any, variant: number) => Promise<unknown>
}

/** Queries as an application might write them, also such as it should not. */
export const codeQueries: Readonly<Record<string, CodeQuery>> = {
  'open-of-two': {
    variants: 1,
    run: async ctx => [
      ...await ctx.bucket('items').where({ state: 'open' }),
      ...await ctx.bucket('counted').where({ state: 'open' })
    ]
  },
  'owner-in-code': {
    variants: 1,
    run: async (ctx, params) =>
      await ctx.bucket('items').find({ filter: { owner: params?.owner }, sort: { n: 'asc' } })
  },
  'one-and-its-owner': {
    variants: 1,
    run: async ctx => {
      const one = await ctx.bucket('items').get('i1')
      if (one === undefined) return { others: 0 }
      return { one, others: await ctx.bucket('counted').count({ owner: one['owner'] }) }
    }
  },
  'another-bucket-each-time': {
    variants: 2,
    run: async (ctx, _params, variant) => await ctx.bucket(variant === 0 ? 'items' : 'counted').count()
  },
  'throws-every-second-time': {
    variants: 2,
    run: async (ctx, _params, variant) => {
      const count = await ctx.bucket('items').count({ state: 'closed' })
      if (variant === 1) throw new Error('every second time')
      return count
    }
  },
  'a-key-twice': {
    variants: 1,
    run: async ctx => {
      const all = await ctx.bucket('counted').find({ sort: { n: 'desc' }, limit: 5 })
      return [...all, ...all.slice(0, 1)]
    }
  },
  'rows-without-keys': {
    variants: 1,
    run: async ctx => (await ctx.bucket('counted').all()).map(({ owner, n }) => ({ owner, n }))
  },
  'made-rows': {
    variants: 1,
    run: async ctx => {
      const all = await ctx.bucket('counted').all()
      return all.map(({ id, n }) => ({ id, double: 2 * Number(n) || 0 }))
    }
  },
  'no-json-at-times': {
    variants: 1,
    run: async ctx => {
      const count = await ctx.bucket('lines').count()
      if (count % 3 === 1) throw new Error('no JSON')
      return count % 3 === 2 ? undefined : { count, isNew: true }
    }
  }
}

/** Names of the declarative queries; what they are changes. */
export const declaredNames = Array.from({ length: 10 }, (_, i) => `declared-${i}`)

/** Returns the results that a client may be shown for a request at one state; none where it may not read. */
export async function expectedResults (
  request: LiveRequest, state: StateAt, rows: Rows
): Promise<readonly unknown[]> {
  const { query, params, find } = request
  try {
    if (find !== undefined) return [evaluate(state, rows, find as unknown as DeclarativeQueryConfig)]
    const code = codeQueries[query as string]
    if (code !== undefined) return await resultsOf(code, params, state, rows)
    const config = state.queries.get(query as string)
    return config === undefined ? [] : [evaluate(state, rows, filled(config, params))]
  } catch (error) {
    if (error instanceof Unreadable) return []
    throw error
  }
}

async function resultsOf (
  { variants, run }: CodeQuery, params: unknown, state: StateAt, rows: Rows
): Promise<readonly unknown[]> {
  const results: unknown[] = []
  for (let variant = 0; variant < variants; variant++) {
    try {
      const result = await run(plainContext(state, rows), params, variant)
      if (!hasFunction(result)) results.push(result ?? null)
    } catch {
      // A run that fails shows nothing.
    }
  }
  return results
}

function hasFunction (result: unknown): boolean {
  if (typeof result !== 'object' || result === null) return false
  return Object.values(result).some(value => typeof value === 'function')
}

function filled (config: DeclarativeQueryConfig, params: unknown): DeclarativeQueryConfig {
  const values = (params ?? {}) as Record<string, unknown>
  return JSON.parse(JSON.stringify(config), (_name, value) => {
    const [, name] = typeof value === 'string' ? /^\{\{ params\.(\w+) \}\}$/.exec(value) ?? [] : []
    return name === undefined ? value : values[name]
  }) as DeclarativeQueryConfig
}

/** Returns a value as a record may have it in a field. */
export function randomValue (random: Random, field: string): unknown {
  switch (field) {
    case 'owner': return random.pick(users)
    case 'state': return random.pick(states)
    case 'n': return random.chance(0.1) ? random.below(400) / 4 : random.below(100)
    default: return random.pick(words)
  }
}

/** Returns the filter of a query: none, one, or some conditions. */
export function randomFilter (random: Random, depth = 0): WhereFilter {
  const n = random.below(100)
  const condition = random.weighted<() => WhereFilter>([
    [4, () => ({ owner: random.pick(users) })],
    [3, () => ({ state: random.pick(states) })],
    [2, () => ({ state: 'open', owner: random.pick(users) })],
    [2, () => ({ n: { $gte: n } })],
    [1, () => ({ n: { $gt: n } })],
    [2, () => ({ n: { $lt: n } })],
    [1, () => ({ n: { $lte: n } })],
    [2, () => ({ n: { $between: [n, n + random.below(30)] } })],
    [1, () => ({ n: { $gt: n, $lt: n + 10 }, owner: { $neq: random.pick(users) } })],
    [1, () => ({ owner: { $in: [random.pick(users), random.pick(users)] } })],
    [1, () => ({ state: { $nin: ['open', null] } })],
    [1, () => ({ state: { $neq: 'open' } })],
    [1, () => ({ name: { $contains: 'AM' } })],
    [1, () => ({ name: { $startsWith: 'ta' } })],
    [1, () => ({ name: { $endsWith: 'p' } })],
    [1, () => ({ name: { $exists: random.chance(0.5) } })],
    [1, () => ({ name: { $gte: 'l' } })],
    [1, () => ({ id: random.chance(0.5) ? random.below(40) : `i${random.below(60)}` })],
    [1, () => ({})]
  ])()
  if (depth > 1 || random.chance(0.8)) return condition
  const branches = Array.from({ length: 1 + random.below(3) }, () => randomFilter(random, depth + 1))
  return random.chance(0.6) ? { $or: branches } : { $and: [condition, ...branches] }
}

/** Returns what a query may be, without placeholders. */
function randomConfig (random: Random): DeclarativeQueryConfig {
  const bucket = random.weighted([[5, 'items'], [3, 'counted'], [2, 'lines']] as const)
  const filter = random.chance(0.8) ? { filter: randomFilter(random) } : {}
  if (random.chance(0.2)) {
    const name = random.pick(['count', 'count', 'sum', 'avg', 'min', 'max'] as const)
    const field = name === 'count' ? {} : { field: 'n' }
    const groupBy = random.pick([undefined, undefined, 'owner', ['state'], ['owner', 'state']])
    const aggregate = { function: name, ...field, ...(groupBy !== undefined && { groupBy }) }
    return { bucket, ...filter, aggregate }
  }
  return {
    bucket,
    ...filter,
    ...(random.chance(0.5) && {
      sort: random.pick([
        { n: 'asc' }, { n: 'desc' }, { rank: 'asc' }, { state: 'asc', n: 'desc' }, { id: 'asc' },
        { name: 'desc', rank: 'asc' }
      ] as const)
    }),
    ...(random.chance(0.4) && { limit: random.pick([1, 3, 10, 40]) }),
    ...(random.chance(0.2) && { offset: random.pick([1, 2, 15]) }),
    ...(random.chance(0.3) && { fields: random.pick([['id', 'n'], ['id', 'owner', 'state'], ['id'], ['n']]) })
  }
}

/** Returns a query with placeholders, whose parameters are `owner` and `n`. */
export function randomDeclaration (random: Random): DeclarativeQueryConfig {
  if (random.chance(0.4)) return randomConfig(random)
  const filter = random.pick<WhereFilter>([
    { owner: '{{ params.owner }}' }, { owner: '{{ params.owner }}', state: 'open' },
    { n: { $lt: '{{ params.n }}' } },
    { $or: [{ owner: '{{ params.owner }}' }, { n: { $gte: '{{ params.n }}' } }] }
  ])
  return { ...randomConfig(random), filter }
}

/** Returns what a client may ask for. */
export function randomRequest (random: Random, hasFind: boolean): LiveRequest {
  const minInterval = random.chance(0.1) ? { minIntervalMs: random.pick([20, 300]) } : {}
  if (hasFind && random.chance(0.5)) {
    const config = randomConfig(random)
    if (config.aggregate !== undefined || random.chance(0.7)) return { find: { ...config }, ...minInterval }
    const { bucket, filter = {}, sort } = config
    const page = { limit: 1 + random.below(8) }
    return { find: { bucket, filter, ...(sort !== undefined && { sort }) }, page, ...minInterval }
  }
  const query = random.chance(0.3) ? random.pick(Object.keys(codeQueries)) : random.pick(declaredNames)
  return { query, params: { owner: random.pick(users), n: 10 * random.below(10) }, ...minInterval }
}

/** Whether a request is a query in code. */
export function isCode ({ query }: LiveRequest): boolean {
  return query !== undefined && Object.hasOwn(codeQueries, query)
}

/** Whether its result may be another one each time, or fail. */
export function isUnsteady ({ query }: LiveRequest): boolean {
  const code = codeQueries[query ?? '']
  return code !== undefined && code.variants > 1
}
