import fc from 'fast-check'
import { test } from 'tap'
import type { Presence } from '../../../lib/store/presence.js'
import { ControlledLog, ephemeral, startPresences } from '../../support/presences.js'

const PRESENCES = 4
const buckets = ['present', 'typing'] as const
const bucket = fc.constantFrom(...buckets)
const key = fc.nat(5).map(String)
/** A connection, or with `PRESENCES` the application. */
const who = fc.nat(PRESENCES)

const anyStep = fc.oneof(
  { weight: 8, arbitrary: fc.record({ op: fc.constant('upsert' as const), who, bucket, key }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('transaction' as const), who, bucket, key }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('delete' as const), who, bucket, key }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('clear' as const), who, bucket }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('redefine' as const, 'drop' as const), bucket }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('refused' as const), who, bucket, key }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('leave' as const), who }) }
)

test('a connection takes with it what it has written last, and nothing else', async t => {
  await fc.assert(fc.asyncProperty(fc.array(anyStep, { maxLength: 60, size: 'max' }), async steps => {
    const log = new ControlledLog()
    const { store, service } = await startPresences(t, { log, graceMs: 60_000 })
    await store.defineBucket('typing', ephemeral)
    const begin = (i: number): Presence => service.begin(`conn-${i}`)
    const presences = Array.from({ length: PRESENCES }, (_, i) => begin(i))
    /** The writer of each record, by bucket and key. */
    const owners = new Map<string, Presence | undefined>()
    const forget = (name: string): void => {
      for (const id of owners.keys()) if (id.startsWith(`${name} `)) owners.delete(id)
    }
    const check = async (): Promise<void> => {
      const there = await Promise.all(buckets.map(async name =>
        (await store.bucket(name).all()).map(({ id }) => `${name} ${String(id)}`)))
      const expected = [...owners.keys()].sort()
      if (there.flat().sort().join() !== expected.join()) {
        throw new Error(`${there.join()} instead of ${expected.join()}`)
      }
      for (const presence of presences) {
        const own = presence.list().map(record => `${record.bucket} ${String(record.key)}`).sort()
        const right = expected.filter(id => owners.get(id) === presence)
        if (own.join() !== right.join()) throw new Error(`${own.join()} are its own, not ${right.join()}`)
      }
    }
    for (const [n, step] of steps.entries()) {
      const writer = 'who' in step ? presences[step.who] : undefined
      const options = { ...writer && { writer } }
      switch (step.op) {
        case 'upsert':
          await store.bucket(step.bucket).upsert({ id: step.key, n }, options)
          owners.set(`${step.bucket} ${step.key}`, writer)
          break
        case 'transaction':
          await store.transaction(async tx => {
            for (const name of buckets) await (await tx.bucket(name)).upsert({ id: step.key, n })
          }, options)
          for (const name of buckets) owners.set(`${name} ${step.key}`, writer)
          break
        case 'delete':
          await store.bucket(step.bucket).delete(step.key, options)
          owners.delete(`${step.bucket} ${step.key}`)
          break
        case 'clear':
          await store.bucket(step.bucket).clear(options)
          forget(step.bucket)
          break
        case 'redefine':
          await store.updateBucket(step.bucket, { addFields: { [`f${n}`]: { type: 'number', default: n } } })
          break
        case 'drop':
          await store.dropBucket(step.bucket)
          await store.defineBucket(step.bucket, ephemeral)
          forget(step.bucket)
          break
        case 'refused': {
          log.isRefusing = true
          await store.bucket(step.bucket).upsert({ id: step.key, n }, options).then(
            () => { throw new Error('it was taken') }, () => {}
          )
          log.isRefusing = false
          // It takes writes again when it has been asked.
          while (store.durability.state !== 'ok') await new Promise(resolve => { setTimeout(resolve, 1) })
          break
        }
        case 'leave':
          if (writer === undefined) break
          service.leave(writer)
          await service.end()
          for (const [id, owner] of owners) if (owner === writer) owners.delete(id)
          presences[step.who] = begin(n + PRESENCES)
      }
      await check()
    }
    await store.stop()
  }), { numRuns: 60 })
})
