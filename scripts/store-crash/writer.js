// Inserts, updates and deletes orders in a durable store. Prints a line for each change when it is durable:
// `put id n revision`, `deleting id revision` before and `deleted id revision` after a delete, `ready` and
// `refused` between them; `revision` is the one up to which all is durable.
// Arguments: directory, rounds, writers at a time, segmentBytes, snapshotBytes.
import { writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { Store } from '../../dist/lib/exports/store.js'

const [directory, rounds, size, segmentBytes, snapshotBytes] = process.argv.slice(2)
const store = await Store.start({
  ttlCheckIntervalMs: 0,
  durability: {
    directory, segmentBytes: Number(segmentBytes), snapshotBytes: Number(snapshotBytes), onNotice () {}
  }
})
await store.defineBucket('orders', {
  key: 'id',
  schema: { id: { type: 'number', generated: 'autoincrement' }, n: { type: 'number' } },
  indexes: ['n']
}).catch(error => { if (error.code !== 'BUCKET_EXISTS') throw error })
writeSync(1, 'ready\n')
const orders = store.bucket('orders')
const say = (...words) => { writeSync(1, `${words.join(' ')} ${store.durability.durableRevision}\n`) }

async function attempt (write) {
  for (;;) {
    try {
      return await write()
    } catch (error) {
      if (error.code !== 'STORE_UNAVAILABLE') throw error
      writeSync(1, 'refused\n')
      await delay(20)
    }
  }
}

for (let round = 1; round <= rounds; round++) {
  await Promise.all(Array.from({ length: Number(size) }, async () => {
    const { id } = await attempt(async () => await orders.insert({ n: 0, text: 'x'.repeat(round * 7 % 90) }))
    say('put', id, 0)
    await attempt(async () => await orders.update(id, { n: round }))
    say('put', id, round)
    if (id % 4 !== 0) return
    say('deleting', id)
    await attempt(async () => await orders.delete(id))
    say('deleted', id)
  }))
}
await store.stop().catch(error => { if (error.code !== 'STORE_UNAVAILABLE') throw error })
