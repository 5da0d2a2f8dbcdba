import t from 'tap'
import type { WhereFilter } from '@hamicek/noex-store'
import type { RowScope } from '../../../lib/store/row-scope.js'
import type { TransactionEntry } from '../../../lib/store/transaction-entry.js'
import { runTransaction } from '../../../lib/store/transaction.js'
import { mine, refusal, untouched, withNotes, work } from '../../support/rows.js'

t.test('Each entry of a transaction is limited like the operation of its name', async t => {
  const setting = async () => {
    const opened = await withNotes(t)
    const rows: Readonly<Record<string, WhereFilter>> = {
      'store.get': { owner: 'you' },
      'store.where': mine,
      'store.findOne': mine,
      'store.count': mine,
      'store.groupBy': mine,
      'store.insert': mine,
      'store.insertMany': mine,
      'store.upsert': mine,
      'store.update': mine,
      'store.increment': mine,
      'store.updateMany': mine,
      'store.delete': { text: 'b' },
      'store.deleteMany': mine
    }
    const rowScope: RowScope = {
      rows: operation => rows[operation],
      assertStillAllowed () {},
      work,
      maxChanges: Infinity
    }
    return {
      ...opened,
      transact: async (...entries: TransactionEntry[]) =>
        await runTransaction(opened.sharedStore, entries, rowScope)
    }
  }
  const bucket = 'notes'

  await t.test('which sees what earlier ones have made visible', async t => {
    const { transact, state } = await setting()
    t.match(
      await transact(
        { op: 'get', bucket, key: 'm1' },
        { op: 'get', bucket, key: 'o1' },
        { op: 'insert', bucket, data: { id: 'n', owner: 'me', text: 'b' } },
        { op: 'insertMany', bucket, data: [{ id: 'p', owner: 'me' }] },
        { op: 'where', bucket, filter: { text: 'b' } },
        { op: 'findOne', bucket, filter: { owner: 'you' } },
        { op: 'count', bucket },
        { op: 'count', bucket, filter: { text: 'a' } },
        { op: 'groupBy', bucket, field: 'owner', aggregate: { function: 'count' } },
        { op: 'upsert', bucket, data: { id: 'm1', text: 'c' } },
        { op: 'update', bucket, key: 'm1', data: { text: 'd' } },
        { op: 'updateMany', bucket, filter: { text: 'b' }, data: { text: 'e' } },
        { op: 'delete', bucket, key: 'o2' },
        { op: 'delete', bucket, key: 'nope' },
        { op: 'deleteMany', bucket, filter: { text: { $exists: false } } },
        { op: 'where', bucket, filter: {} }
      ),
      [
        undefined,
        { id: 'o1' },
        { id: 'n' },
        [{ id: 'p' }],
        [{ id: 'm2' }, { id: 'n' }],
        undefined,
        4,
        1,
        [{ key: { owner: 'me' }, value: 4 }],
        { text: 'c' },
        { text: 'd' },
        2,
        { deleted: true },
        { deleted: true },
        1,
        [{ id: 'm1' }, { id: 'm2' }, { id: 'n' }]
      ]
    )
    t.same(await state(), ['m1 me d', 'o1 you a', 'm2 me e', 'n me e'])
  })

  await t.test('and one outside undoes all', async t => {
    const first: TransactionEntry = { op: 'update', bucket, key: 'm1', data: { text: 'z' } }
    const table: readonly TransactionEntry[] = [
      { op: 'insert', bucket, data: { id: 'n', owner: 'you' } },
      { op: 'insertMany', bucket, data: [{ id: 'n', owner: 'me' }, { id: 'p' }] },
      { op: 'upsert', bucket, data: { id: 'n' } },
      { op: 'upsert', bucket, data: { id: 'o1', owner: 'me' } },
      { op: 'update', bucket, key: 'o1', data: {} },
      { op: 'update', bucket, key: 'o1', data: {}, expectedVersion: 7 },
      { op: 'increment', bucket, key: 'o1', field: 'n', by: 1 },
      { op: 'increment', bucket, key: 'o1', field: 'text', by: 1, expectedVersion: 7 },
      { op: 'update', bucket, key: 'm1', data: { owner: 'you' } },
      { op: 'updateMany', bucket, filter: { text: 'b' }, data: { owner: null } },
      { op: 'delete', bucket, key: 'o1' },
      { op: 'delete', bucket, key: 'o1', expectedVersion: 7 }
    ]
    for (const entry of table) {
      const { transact, state } = await setting()
      for (const entries of [[first, entry], [entry, first]]) {
        t.match(
          await refusal(transact(...entries)),
          { code: 'FORBIDDEN', details: undefined },
          JSON.stringify(entry)
        )
        t.same(await state(), untouched)
      }
    }
    const { transact } = await setting()
    t.match(await refusal(transact({ op: 'insert', bucket, data: { id: 'o1', owner: 'me' } })), {
      code: 'CONFLICT',
      details: { bucket, key: 'o1' }
    })
  })
})
