import t from 'tap'
import type { Store } from '@hamicek/noex-store'
import { QueryRecorder } from '../../lib/store/query-recorder.js'
import { SchemaGate } from '../../lib/store/schema-gate.js'
import { StoreAccess } from '../../lib/store/store-access.js'
import { startStore } from '../helper.js'

/** A promise and what settles it. */
function turn (): { readonly taken: Promise<void>, readonly take: () => void } {
  let take!: () => void
  return { taken: new Promise(resolve => { take = resolve }), take }
}

/** What may be read of each bucket. */
const everything = (): boolean => true

t.test('SchemaGate', async t => {
  t.test('lets writes run together and a change run alone, in the order in which they came', async t => {
    const gate = new SchemaGate()
    const log: string[] = []
    const [first, second, change] = [turn(), turn(), turn()]
    const write = async (name: string, until?: Promise<void>): Promise<void> => await gate.write(async () => {
      log.push(`${name} begins`)
      await until
      log.push(`${name} ends`)
    })
    const writes = [write('a', first.taken), write('b', second.taken)]
    t.equal(gate.closed, false)
    const changed = gate.change(async () => {
      log.push('change begins')
      await change.taken
      log.push('change ends')
    })
    t.equal(gate.closed, true)
    const opened = gate.opened().then(() => { log.push('opened') })
    const late = write('c')
    const next = gate.change(async () => { log.push('next change') })
    second.take()
    await writes[1]
    t.same(log, ['a begins', 'b begins', 'b ends'], 'the change waits for all writes')
    first.take()
    await writes[0]
    change.take()
    await Promise.all([changed, opened, late, next])
    t.same(log.slice(3, 6), ['a ends', 'change begins', 'change ends'])
    t.same(log.slice(6).sort(), ['c begins', 'c ends', 'next change', 'opened'])
    t.equal(gate.closed, false)
  })

  t.test('opens again after a change that fails', async t => {
    const gate = new SchemaGate()
    await t.rejects(gate.change(async () => { throw new Error('bad') }), { message: 'bad' })
    await t.rejects(gate.write(async () => { throw new Error('worse') }), { message: 'worse' })
    t.equal(await gate.write(async () => 1), 1)
    t.equal(await gate.change(async () => 2), 2)
  })
})

t.test('QueryRecorder', async t => {
  const reads = () => {
    const log: unknown[] = []
    return { log, readBucket: (bucket: string) => { log.push(bucket) }, readRecord: (bucket: string, key: unknown) => { log.push([bucket, key]) } }
  }

  t.test('tells reads of a record from reads of a bucket, and gives the store its own method back', async t => {
    const store = await startStore(t)
    await store.defineBucket('a', { key: 'id', schema: { id: { type: 'string' } } })
    await store.defineBucket('b', { key: 'id', schema: { id: { type: 'string' } } })
    store.defineQuery('both', async ctx => [await ctx.bucket('a').get('x'), await ctx.bucket('b').count()])
    store.defineQuery('lost', async ctx => await ctx.bucket('nope').all())
    const recorder = new QueryRecorder(store)
    const release = recorder.install()
    const listener = reads()
    t.same(await recorder.run('both', undefined, everything, listener), [undefined, 0])
    t.same(listener.log, [['a', 'x'], 'b'])
    await t.rejects(recorder.run('lost', undefined, everything, listener), { name: 'BucketNotDefinedError' })
    t.equal(store.bucket('a').name, 'a', 'the application gets ordinary handles')
    release()
    t.notOk(Object.hasOwn(store, 'bucket'))
  })

  t.test('takes every bucket for read as a whole when the store opens it in another way', async t => {
    const store = {
      bucket: () => { throw new Error('not used') },
      runQuery: async (_query: string, _params: unknown, readFilter: (bucket: string) => null) => {
        readFilter('a')
        readFilter('b')
        await Promise.resolve()
        return 5
      }
    }
    const listener = reads()
    t.equal(await new QueryRecorder(store as unknown as Store).run('q', undefined, everything, listener), 5)
    t.same(listener.log, ['a', 'b'])
  })

  t.test('restores a method that the application had put there', async t => {
    const store = await startStore(t)
    const own = store.bucket.bind(store)
    store.bucket = own
    const release = new QueryRecorder(store).install()
    t.not(store.bucket, own)
    release()
    t.equal(store.bucket, own)
  })
})

t.test('StoreAccess', async t => {
  t.test('is shared by all who serve a store, and leaves it as it was', async t => {
    const store = await startStore(t)
    const first = StoreAccess.open(store)
    const second = StoreAccess.open(store)
    t.equal(first, second)
    first.close()
    t.ok(Object.hasOwn(store, 'bucket'))
    second.close()
    t.notOk(Object.hasOwn(store, 'bucket'))
    const third = StoreAccess.open(store)
    t.equal(third, first, 'and remembers it')
    t.ok(Object.hasOwn(store, 'bucket'))
    third.close()
  })

  t.test('runs a query once more that met a bucket while the application rebuilt it', async t => {
    const store = await startStore(t)
    let runs = 0
    store.defineQuery('q', async () => {
      if (++runs === 1) throw Object.assign(new Error('is not running'), { name: 'ServerNotRunningError' })
      return runs
    })
    const access = StoreAccess.open(store)
    t.teardown(() => { access.close() })
    t.equal(await access.runQuery('q', undefined, everything), 2)
  })

  t.test('runs queries when a schema change is through', async t => {
    const store = await startStore(t)
    store.defineQuery('q', async () => 'ran')
    const access = StoreAccess.open(store)
    t.teardown(() => { access.close() })
    const change = turn()
    const log: unknown[] = []
    const changed = access.gate.change(async () => {
      await change.taken
      log.push('changed')
    })
    const ran = access.runQuery('q', undefined, everything).then(result => { log.push(result) })
    change.take()
    await Promise.all([changed, ran])
    t.same(log, ['changed', 'ran'])
  })
})
