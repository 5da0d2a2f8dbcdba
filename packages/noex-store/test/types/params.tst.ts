import type { ParamsOf } from '@hamicek/noex-store'
import { expect, test } from 'tstyche'
import { store } from './shop.js'

test('a query as data knows the names and types of its parameters', async () => {
  const between = store.defineDeclarativeQuery('between', {
    bucket: 'orders',
    filter: {
      total: { $gt: '{{ params.least }}', $lt: '{{params.most}}' },
      $or: [{ status: '{{ params.status }}' }, { 'address.city': { $in: ['Brno', '{{ params.city }}'] } }]
    }
  })
  await store.runQuery(between, { least: 1, most: 2, status: 'new', city: 'Praha' })
  expect<ParamsOf<typeof between>['least']>().type.toBe<number | null | undefined>()
  expect<ParamsOf<typeof between>['status']>().type.toBe<'new' | 'packed' | null | undefined>()
  // @ts-expect-error 'nix' does not exist in type
  await store.runQuery(between, { least: 1, most: 2, status: 'new', city: 'Praha', nix: 3 })
  // @ts-expect-error Type 'string' is not assignable to type 'number'.
  await store.runQuery(between, { least: 'text', most: 2, status: 'new', city: 'Praha' })
  // @ts-expect-error is missing in type
  await store.runQuery(between, { least: 1, most: 2, status: 'new' })
  // @ts-expect-error Type 'string' is not assignable to type 'number'.
  await store.subscribe(between, { least: 1, most: 'text', status: 'new', city: 'Praha' }, () => {})
})

test('a query as data without placeholders takes no parameters', async () => {
  const fresh = store.defineDeclarativeQuery('fresh', { bucket: 'orders', filter: { status: 'new' } })
  const all = store.defineDeclarativeQuery('all', { bucket: 'orders' })
  await store.runQuery(fresh)
  await store.runQuery(all)
  // @ts-expect-error is not assignable to
  await store.runQuery(fresh, { nix: 3 })
  // @ts-expect-error is not assignable to
  await store.runQuery(all, { nix: 3 })
  // @ts-expect-error 'totl' does not exist in type
  store.defineDeclarativeQuery('bad', { bucket: 'orders', filter: { totl: 1 } })
})
