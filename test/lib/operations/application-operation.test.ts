import t from 'tap'
import { defineSchema, Store } from '@hamicek/noex-store'
import { Type } from 'typebox'
import { operation, type ApplicationStore } from '../../../lib/index.js'

/** The types that clients derive from an operation. */
type TypesOf<O> = O extends { name: infer Name, '~input'?: infer I, '~output'?: infer R }
  ? { name: Name, input: I, output: R }
  : never

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles for `true` alone. */
const isTrue = <Is extends true>(..._: Is[]): void => {}

t.test('the type of an operation has its name, its input and its result', async t => {
  const place = operation({
    name: 'shop.place',
    input: Type.Object({ sku: Type.String(), quantity: Type.Optional(Type.Integer()) }),
    audit: ['sku'],
    resources: input => [{ type: 'bucket', name: input.sku }],
    async handler ({ input, session, call }) {
      const quantity: number | undefined = input.quantity
      const count: number = await call('store.count', { bucket: 'orders' })
      return { quantity, count, by: session?.userId }
    }
  })
  isTrue<Equal<TypesOf<typeof place>, {
    name: 'shop.place'
    input: { sku: string, quantity?: number }
    output: { quantity: number | undefined, count: number, by: string | undefined }
  }>>()
  const plain = operation({ name: 'shop.plain', handler: () => 5 })
  isTrue<Equal<TypesOf<typeof plain>['output'], number>>()
  const described = operation({
    name: 'shop.described', output: Type.Object({ n: Type.Number() }), handler: async () => ({ n: 5 })
  })
  isTrue<Equal<TypesOf<typeof described>['output'], { n: number }>>()
  t.same([place, plain, described].map(({ name }) => name), ['shop.place', 'shop.plain', 'shop.described'])
})

t.test('a definition that does not fit itself is no program', async t => {
  const input = Type.Object({ n: Type.Number() })
  t.ok([
    // @ts-expect-error the result is not what output says
    operation({ name: 'shop.a', output: input, handler: async () => ({ n: 'x' }) }),
    // @ts-expect-error the input has no such member
    operation({ name: 'shop.a', input, audit: ['m'], handler: () => 1 }),
    // @ts-expect-error there is no such tier
    operation({ name: 'shop.a', tier: 'all', handler: () => 1 }),
    // @ts-expect-error the input is an object
    operation({ name: 'shop.a', input: Type.String(), handler: () => 1 }),
    // @ts-expect-error the input has no such member
    operation({ name: 'shop.a', input, handler: ({ input }) => input.m })
  ])
})

t.test('the store of the application has the types of a schema, or none', async t => {
  const schema = defineSchema({
    orders: {
      key: 'id',
      schema: { id: { type: 'string', generated: 'uuid' }, total: { type: 'number', required: true } }
    }
  })
  const started = await Store.start({ schema })
  t.teardown(async () => { await started.stop() })
  const store: ApplicationStore<typeof schema> = started
  const { total } = await store.bucket('orders').insert({ total: 1 }, { user: 'alice' })
  isTrue<Equal<typeof total, number>>()
  const count = started.defineQuery('count', async ctx => await ctx.bucket('orders').count())
  const counted = await store.runQuery(count)
  isTrue<Equal<typeof counted, number>>()
  const summed = await store.transaction(async tx => {
    const orders = await tx.bucket('orders')
    await orders.update((await orders.all())[0]?.id ?? '', { total: 2 })
    return (await orders.all()).reduce((sum, order) => sum + order.total, 0)
  })
  t.same([total, counted, summed], [1, 1, 2])
  // @ts-expect-error a member of the wrong type
  await t.rejects(store.bucket('orders').insert({ total: 'x' }))
  // @ts-expect-error what cannot be done on another machine
  await store.bucket('orders').insert({ total: 1 }, { beforeCommit () {} })

  const wide = started as unknown as ApplicationStore
  const record = await wide.bucket('orders').findOne({ total: { $gt: 0 } })
  isTrue<Equal<NonNullable<typeof record>['total'], unknown>>()
  t.equal(record?.['total'], 2)
  t.equal(await wide.bucket('orders').sum('total'), 3)
  await wide.transaction(async tx => await (await tx.bucket('orders')).deleteMany({}))
  t.equal(await wide.runQuery('count'), 0)
})
