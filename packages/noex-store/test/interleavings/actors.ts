import fc from 'fast-check'
import type { Store, StoreRecord } from '../../src/index.js'
import type { Witness } from './witness.js'

/** Buckets with accounts whose balances add up to 0 over all of them. */
const accountBuckets = ['a', 'b', 'c'] as const
const accounts = ['1', '2'] as const

/** Step that one participant repeats. */
export type Act =
  | { readonly kind: 'transfer', readonly from: number, readonly to: number, readonly fails: boolean }
  | {
    readonly kind: 'mark' | 'markMany' | 'flip' | 'move' | 'look' | 'query' | 'watch',
    readonly place: number
  }

const place = fc.nat(5)
export const anyAct: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('transfer' as const), from: place, to: place, fails: fc.boolean()
    })
  },
  {
    weight: 7,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'mark' as const, 'markMany' as const, 'flip' as const, 'move' as const, 'look' as const,
        'query' as const, 'watch' as const
      ),
      place
    })
  }
)

/** Lets the scheduler choose who goes on. */
export type Pause = () => Promise<void>

export async function defineAccounts (store: Store): Promise<void> {
  for (const bucket of accountBuckets) {
    await store.defineBucket(bucket, {
      key: 'id',
      schema: {
        id: { type: 'string' }, balance: { type: 'number' }, unique: { type: 'string', unique: true }
      },
      indexes: ['balance']
    })
    await store.bucket(bucket).insertMany(accounts.map(id => ({ id, balance: 0, unique: id })))
  }
  store.defineQuery('everything', async ctx => (
    await Promise.all(accountBuckets.map(async bucket => await ctx.bucket(bucket).all()))
  ).flat())
  store.defineQuery('total', async ctx => totalOf(
    await Promise.all(accountBuckets.map(async bucket => await ctx.bucket(bucket).all()))
  ))
}

function totalOf (buckets: ReadonlyArray<readonly StoreRecord[]>): number {
  return buckets.flat().reduce((total, { balance }) => total + (balance as number), 0)
}

const at = (place: number): readonly [bucket: string, key: string] =>
  [accountBuckets[place % 3] as string, accounts[place % 2] as string]

/** Does one act of the participant of a number. Rejects where the store refuses it. */
export async function act (
  store: Store, doing: Act, writer: number, pause: Pause, witness: Witness
): Promise<void> {
  await pause()
  switch (doing.kind) {
    case 'transfer': return await transfer(store, doing, pause)
    case 'mark': {
      const [bucket, key] = at(doing.place)
      return await witness.mark(bucket, key, writer, async mark => {
        await store.bucket(bucket).update(key, mark)
      })
    }
    case 'markMany': {
      const [bucket, key] = at(doing.place)
      return await witness.mark(bucket, key, writer, async mark => {
        await store.bucket(bucket).updateMany({ unique: key }, mark)
      })
    }
    case 'flip': {
      const [bucket] = at(doing.place)
      const flipped = store.bucket(bucket)
      await flipped.upsert({ id: 'flip', balance: 0, unique: 'flip' })
      await pause()
      return await flipped.delete('flip')
    }
    case 'move': return await move(store, pause)
    case 'look': {
      const reads = accountBuckets.map(async bucket => await store.bucket(bucket).all())
      return witness.saw(totalOf(await Promise.all(reads)), 'a reader')
    }
    case 'query': return witness.saw(await store.runQuery<number>('total'), 'a query')
    case 'watch': return await store.transaction(async tx => {
      const buckets: StoreRecord[][] = []
      for (const bucket of accountBuckets) {
        buckets.push(await (await tx.bucket(bucket)).all())
        await pause()
      }
      return totalOf(buckets)
    }).then(total => { witness.saw(total, 'a transaction that reads') })
  }
}

async function transfer (
  store: Store, { from, to, fails }: Extract<Act, { kind: 'transfer' }>, pause: Pause
): Promise<void> {
  await store.transaction(async tx => {
    for (const [place, amount] of [[from, -1], [to, 1]] as const) {
      const [name, key] = at(place)
      const bucket = await tx.bucket(name)
      const { balance } = await bucket.get(key) as StoreRecord
      await pause()
      await bucket.update(key, { balance: balance as number + amount })
      await pause()
    }
    if (fails) throw new Error('as planned')
  })
}

/** Moves a record from one bucket to another: it is in one of them, at any time. */
async function move (store: Store, pause: Pause): Promise<void> {
  await store.transaction(async tx => {
    const [a, b] = [await tx.bucket('a'), await tx.bucket('b')]
    const [from, to] = await a.get('moving') === undefined ? [b, a] : [a, b]
    const moving = await from.get('moving')
    await pause()
    if (moving !== undefined) await from.delete('moving')
    await to.insert({ id: 'moving', balance: 0, unique: 'moving' })
    await pause()
  })
}
