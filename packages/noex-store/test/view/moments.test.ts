import { test, type Test } from 'tap'
import {
  BucketNotDefinedError, MemoryLog, StoreStoppedError,
  type BucketDefinition, type LogEntry, type Store, type StoreRecord, type View
} from '../../src/index.js'
import { rejection, startStore } from '../support/store.js'
import { FollowingList } from './following-list.js'

/** A log that takes or refuses groups of commits one by one, when it is told to. */
class StepLog extends MemoryLog {
  fails = false
  isSlow = false
  readonly #waiting: Array<() => void> = []

  override async append (entries: readonly LogEntry[], previousRevision: number): Promise<void> {
    if (this.isSlow && entries.length > 0) {
      await new Promise<void>(resolve => { this.#waiting.push(resolve) })
      if (this.fails) throw new Error('disk full')
    }
    await super.append(entries, previousRevision)
  }

  releaseOne (): void {
    this.#waiting.shift()?.()
  }
}

interface Scene {
  readonly store: Store
  readonly log: StepLog
  /** All that was heard, in order. */
  readonly heard: string[]
  readonly open: (filter: Record<string, unknown>) => Promise<{ view: View, mirror: FollowingList }>
}

const idsOf = (rows: unknown): string => (rows as StoreRecord[]).map(({ id }) => String(id)).join()

/** Starts a store whose log takes commits when it is told to. */
async function begin (t: Test): Promise<Scene> {
  const store = await startStore(t)
  await store.defineBucket('records', {
    key: 'id', schema: { id: { type: 'string' }, n: { type: 'number' }, at: { type: 'string' } }
  })
  await store.bucket('records').insertMany(['a', 'b', 'c'].map(id => ({ id, n: 1, at: '1970-01-01' })))
  const log = new StepLog()
  await store.attachLog(log)
  log.isSlow = true
  const heard: string[] = []
  store.views.onRevision(revision => { heard.push(`all at ${revision}`) })
  const open = async (filter: Record<string, unknown>): Promise<{ view: View, mirror: FollowingList }> => {
    const view = await store.views.open({ bucket: 'records', filter })
    const mirror = new FollowingList(view, 'id')
    view.listener = {
      onChange: (revision, touches = []) => {
        mirror.apply(touches)
        heard.push(`change ${revision}: ${idsOf(mirror.rows)}`)
      },
      onReset: revision => {
        mirror.reset()
        heard.push(`reset ${revision}: ${idsOf(mirror.rows)}`)
      },
      onFailure: error => { heard.push(String(error)) },
      onDrop: () => { heard.push('drop') }
    }
    return { view, mirror }
  }
  return { store, log, heard, open }
}

/** Lets what goes on by itself come to where it waits. */
const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise(resolve => { setImmediate(resolve) })
}

/** Releases the log until all that was committed is durable. */
async function releaseAll ({ store, log }: Scene): Promise<void> {
  while (store.durability.lag.commits > 0) {
    await turns()
    log.releaseOne()
  }
  await store.settle()
}

test('a view that is opened while a commit is not durable yet', async t => {
  await t.test('waits for it', async t => {
    const scene = await begin(t)
    const writing = scene.store.bucket('records').insert({ id: 'd', n: 1 })
    let isOpen = false
    const opening = scene.open({ n: 1 }).then(({ view }) => {
      isOpen = true
      return view
    })
    const counting = scene.store.views.open({ bucket: 'records', aggregate: { function: 'count' } })
    await turns()
    t.notOk(isOpen, 'nothing is shown that may be taken back')
    await releaseAll(scene)
    t.equal((await counting).result(), 4)
    t.equal(idsOf((await opening).result()), 'a,b,c,d')
    t.equal(scene.store.views.revision, scene.store.revision)
    await writing
  })

  await t.test('takes what is committed while it waits in its turn', async t => {
    const scene = await begin(t)
    const records = scene.store.bucket('records')
    const writes = [records.update('a', { n: 2 })]
    const opening = scene.open({ n: 1 })
    await turns()
    writes.push(records.insert({ id: 'd', n: 1 }))
    writes.push(records.update('b', { n: 3 }), records.update('a', { n: 1 }))
    await releaseAll(scene)
    const { view, mirror } = await opening
    t.equal(idsOf(view.result()), 'a,c,d')
    const last = records.delete('c')
    await releaseAll(scene)
    t.equal(idsOf(mirror.rows), 'a,d')
    await Promise.all([...writes, last])
  })

  await t.test('shows the state before, where the log refuses it', async t => {
    const scene = await begin(t)
    const { store, log } = scene
    const writing = t.rejects(store.bucket('records').insert({ id: 'd', n: 1 }))
    const opening = scene.open({ n: 1 })
    await turns()
    log.fails = true
    log.releaseOne()
    await writing
    t.equal(idsOf((await opening).view.result()), 'a,b,c')
    log.fails = false
  })
})

test('views hear of a commit that is taken back', async t => {
  const scene = await begin(t)
  const { store, log, heard } = scene
  await scene.open({ n: 1 })
  const writing = t.rejects(store.bucket('records').insert({ id: 'd', n: 1 }))
  await turns()
  log.fails = true
  log.releaseOne()
  await writing
  t.same(heard, [], 'never')
  log.fails = false
})

/** The same bucket, whose texts are dates: equal ones are of one instant. */
const withDates: BucketDefinition = {
  key: 'id', schema: { id: { type: 'string' }, n: { type: 'number' }, at: { type: 'date' } }
}
const sameInstant = { at: '1970-01-01T00:00:00Z' }

test('a bucket that is redefined while commits are not durable yet', async t => {
  await t.test('is shown at one revision with all others', async t => {
    const scene = await begin(t)
    const { store, log, heard } = scene
    const { view } = await scene.open(sameInstant)
    const other = await scene.open({ n: 2 })
    t.same(view.result(), [])
    const writes: Array<Promise<unknown>> = [store.rebuildBucket('records', withDates)]
    await turns()
    const { revision } = store
    writes.push(store.bucket('records').insert({ id: 'd', n: 2, at: 0 }))
    writes.push(store.bucket('records').update('a', { at: 5 }))
    log.releaseOne()
    await turns()
    t.ok(store.views.isBusy, 'what is read has seen commits that may be taken back')
    t.same(heard, [])
    await releaseAll(scene)
    t.same(heard.filter(text => text.startsWith('all')), [`all at ${revision + 2}`])
    t.ok(heard.includes(`reset ${revision + 2}: b,c,d`), heard.join(' · '))
    t.same([idsOf(view.result()), idsOf(other.view.result())], ['b,c,d', 'd'])
    await Promise.all(writes)
  })

  await t.test('is read again, where these are taken back', async t => {
    const scene = await begin(t)
    const { store, log, heard } = scene
    const { view } = await scene.open(sameInstant)
    const redefining = store.rebuildBucket('records', withDates)
    await turns()
    const { revision } = store
    const writing = t.rejects(store.bucket('records').insert({ id: 'd', n: 2, at: 0 }))
    log.releaseOne()
    await turns()
    log.fails = true
    log.releaseOne()
    await writing
    log.fails = false
    await Promise.all([redefining, store.settle()])
    t.same(heard, [`reset ${revision}: a,b,c`, `all at ${revision}`])
    t.equal(idsOf(view.result()), 'a,b,c')
  })

  await t.test('is read anew by a view that was being opened', async t => {
    const scene = await begin(t)
    const { store } = scene
    const writing = store.bucket('records').update('c', { at: '1970-01-02' })
    const opening = scene.open(sameInstant)
    await turns()
    const redefining = store.rebuildBucket('records', withDates)
    await releaseAll(scene)
    t.equal(idsOf((await opening).view.result()), 'a,b')
    await Promise.all([writing, redefining])
  })

  await t.test('or dropped, is none for a view that was being opened', async t => {
    const scene = await begin(t)
    const writing = scene.store.bucket('records').update('c', { n: 7 })
    const opening = rejection(scene.open({ n: 1 }))
    await turns()
    const dropping = scene.store.dropBucket('records')
    await releaseAll(scene)
    t.ok(await opening instanceof BucketNotDefinedError)
    await Promise.all([writing, dropping])
  })

  await t.test('or dropped, is none for a view of what others have open', async t => {
    const scene = await begin(t)
    await scene.open({ n: 1 })
    const dropping = scene.store.dropBucket('records')
    const openings = [rejection(scene.open({ n: 1 })), rejection(scene.open({ n: 1 }))]
    await releaseAll(scene)
    for (const opening of openings) t.ok(await opening instanceof BucketNotDefinedError)
    await dropping
  })
})

test('a store that joins a log shows what the log has', async t => {
  const log = new MemoryLog()
  const former = await startStore(t)
  await former.defineBucket('records', withDates)
  await former.attachLog(log)
  await former.bucket('records').insert({ id: 'x', n: 1 })
  await former.stop()
  const store = await startStore(t)
  await store.defineBucket('records', withDates)
  const view = await store.views.open({ bucket: 'records', filter: { n: 1 } })
  await store.attachLog(log)
  await store.settle()
  t.equal(idsOf(view.result()), 'x')
  t.equal(store.views.revision, store.revision)
  await store.bucket('records').insert({ id: 'y', n: 1 })
  t.equal(idsOf(view.result()), 'x,y')
})

test('a store that has stopped has no views', async t => {
  const scene = await begin(t)
  await scene.open({ n: 1 })
  const { store } = scene
  const stopping = store.stop()
  await releaseAll(scene)
  await stopping
  t.same([scene.heard.includes('drop'), store.views.size, store.views.bytes], [true, 0, 0])
  await t.rejects(store.views.open({ bucket: 'records' }), StoreStoppedError)
})
