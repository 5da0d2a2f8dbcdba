import { join } from 'node:path'
import { test } from 'tap'
import { StoreUnavailableError } from '../../src/index.js'
import { smallDisk } from '../support/small-disk.js'
import { users } from '../support/store.js'
import { startDurable, until } from '../support/durable-store.js'

test('a disk with little room left is told before it is full', async t => {
  const disk = smallDisk(t)
  if (disk === undefined) return
  const directory = join(disk.directory, 'store')
  const { store, notices } = await startDurable(t, directory, { snapshotBytes: 16_384 })
  await store.defineBucket('users', users)
  t.match(store.durability, { isDiskLow: false, files: { snapshots: [] } })
  const told: boolean[] = []
  store.onDurabilityChange(({ isDiskLow }) => { told.push(isDiskLow) })
  /** Writes so much that a snapshot is written, after which the room is looked at. */
  const write = async (count: number, from: number): Promise<void> => {
    for (let i = from; i < from + count; i++) {
      await store.bucket('users').insert({ id: `${i}`, name: 'x'.repeat(900) })
    }
  }
  await write(14, 0)
  disk.fill()
  await write(4, 14)
  await until(() => store.durability.isDiskLow, 'the disk is low')
  t.equal(store.durability.state, 'ok', 'and writes go on')
  disk.free()
  await write(20, 20)
  await until(() => !store.durability.isDiskLow, 'there is room again')
  t.same(told.filter((isLow, i) => isLow !== told[i - 1]), [true, false])
  const rooms = notices.filter(({ type }) => type.startsWith('disk_'))
  t.match(rooms, [
    { type: 'disk_low', message: /has \d+ bytes left, and \d+ are wanted for snapshots/ },
    { type: 'disk_ok', message: /has \d+ bytes left, which is enough again/ }
  ])
})

test('a full disk', async t => {
  const disk = smallDisk(t)
  if (disk === undefined) return
  const directory = join(disk.directory, 'store')
  const { store, notices } = await startDurable(t, directory)
  await store.defineBucket('users', users)
  const bucket = store.bucket('users')
  await bucket.insert({ id: 'before' })
  const states: string[] = []
  store.onDurabilityChange(({ state }) => { states.push(state) })
  const taken: number[] = []
  const undone: number[] = []
  store.onCommit(({ revision, undone: isUndone }) => { (isUndone === true ? undone : taken).push(revision) })
  const durable: number[] = []
  store.onDurable(({ revision }) => { durable.push(revision) })

  disk.fill()
  const acknowledged = new Set<string>(['before'])
  let refusal: unknown
  for (let i = 0; refusal === undefined && i < 5_000; i += 10) {
    const ids = Array.from({ length: 10 }, (_, j) => `${i + j}`)
    const inserts = ids.map(async id => await bucket.insert({ id, name: 'x'.repeat(100) }))
    const outcomes = await Promise.allSettled(inserts)
    for (const [j, outcome] of outcomes.entries()) {
      if (outcome.status === 'fulfilled') acknowledged.add(ids[j] as string)
      else refusal = outcome.reason
    }
  }
  t.ok(refusal instanceof StoreUnavailableError, String(refusal))
  t.match(store.durability, { state: 'unavailable', lag: { commits: 0 }, lastError: { message: /ENOSPC/ } })
  const told = new RegExp(`^${directory}/store\\.log: ENOSPC: .*: make room on the disk`)
  t.match(store.durability, { lastError: { message: told } })
  t.match(refusal, { cause: { message: told, code: 'ENOSPC' } })
  await t.rejects(bucket.insert({ id: 'refused' }), StoreUnavailableError)
  t.equal(await bucket.count(), acknowledged.size, 'reads go on, and show what is durable alone')
  t.equal(undone.length > 0, true)
  t.same(
    durable.filter(revision => undone.includes(revision)),
    [],
    'nothing was told as durable and taken back'
  )
  t.equal(store.revision, store.durability.durableRevision)

  disk.free()
  await until(() => store.durability.state === 'ok', 'the store takes writes again')
  t.same(states, ['unavailable', 'ok'])
  t.same(
    notices.map(({ type }) => type).filter(type => type !== 'disk_low'), ['unavailable', 'available']
  )
  await bucket.insert({ id: 'after' })
  acknowledged.add('after')
  await store.stop()
  const { store: next } = await startDurable(t, directory)
  t.same(new Set((await next.bucket('users').all()).map(({ id }) => id)), acknowledged, 'none is lost')
  await next.stop()
})

test('a stop while the disk is full', async t => {
  const disk = smallDisk(t)
  if (disk === undefined) return
  const directory = join(disk.directory, 'store')
  const { store } = await startDurable(t, directory)
  await store.defineBucket('users', users)
  disk.fill()
  const write = async (i: number): Promise<unknown> =>
    await store.bucket('users').insert({ id: `${i}`, name: 'x'.repeat(1_000) })
  for (let i = 0; store.durability.state === 'ok' && i < 1_000; i++) await write(i).catch(() => {})
  const told = new RegExp(`${directory}/store\\.log: ENOSPC: .*: make room on the disk`)
  await t.rejects(store.stop(), { name: 'StoreUnavailableError', message: told, cause: { message: told } })
})
