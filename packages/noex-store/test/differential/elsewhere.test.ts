import * as registry from 'registry-noex-store'
import { test } from 'tap'
import * as own from '../../src/index.js'
import { startBoth, type AnyStore } from '../support/registry.js'
import { otherDifferences } from './differences-elsewhere.js'

const rowOf = (name: string): { readonly before: string, readonly now: string } => {
  const row = otherDifferences.find(difference => difference.name === name)
  if (row === undefined) throw new Error(`The table has no row "${name}"`)
  return row
}

test('migrations: 0.2.0 drops the `validate` of the bucket, which is kept here', async t => {
  rowOf('migrations')
  const isRefused = async (store: AnyStore, run: typeof registry.runMigrations): Promise<boolean> => {
    await store.defineBucket('a', {
      key: 'id',
      schema: { id: { type: 'string', required: true }, n: { type: 'number' } },
      validate: record => record['n'] === 13 ? ['unlucky'] : undefined
    })
    await store.bucket('a').insert({ id: 'x', n: 1 })
    await run(store, [{
      version: 1,
      name: 'a field',
      up: async ctx => { await ctx.bucket('a').addField('m', { type: 'string' }, 'new') }
    }])
    t.match(await store.bucket('a').get('x'), { n: 1, m: 'new' })
    return await store.bucket('a').update('x', { n: 13 }).then(() => false, () => true)
  }
  const { theirs, ours } = await startBoth(t)
  t.equal(await isRefused(theirs, registry.runMigrations), false, 'the trigger bites')
  t.equal(await isRefused(ours, own.runMigrations as unknown as typeof registry.runMigrations), true)
})

test('exports: all that 0.2.0 has, but for those of the kernel that the table names', t => {
  const { before } = rowOf('exports of the kernel')
  const gone = [...before.matchAll(/`(\w+)`/g)].map(([, name]) => name as string)
  const missing = Object.keys(registry).filter(name => !(name in own)).sort()
  t.strictSame(missing, gone.filter(name => name in registry).sort())
  t.ok(gone.length >= 9)
  for (const name of gone) t.notOk(name in own, name)
  t.end()
})
