import { FileLog, Store } from '../../dist/lib/exports/store.js'

/** Lines of a writer of orders, over its runs on one directory, and the state that a start must show. */
export class Orders {
  /** The last value of each order, and whether it was being deleted, or is. */
  #known = new Map()
  /** The revision up to which the writer has called all durable. */
  acknowledged = 0
  refused = 0
  lost = 0
  /** Deleted orders that came back. */
  back = 0
  /** Numbers that were given twice. */
  twice = 0

  hear (said) {
    const fresh = new Set()
    for (const line of said.split('\n').slice(0, -1)) {
      const [word, id, ...numbers] = line.split(' ')
      if (word === 'refused') this.refused++
      if (id === undefined) continue
      const order = this.#known.get(id) ?? { n: -1, isDeleting: false, isDeleted: false }
      if (word === 'put' && numbers[0] === '0') {
        if (this.#known.has(id) || fresh.has(id)) this.twice++
        fresh.add(id)
      }
      if (word === 'put') order.n = Number(numbers[0])
      else if (word === 'deleting') order.isDeleting = true
      else order.isDeleted = true
      this.#known.set(id, order)
      this.acknowledged = Math.max(this.acknowledged, Number(numbers.at(-1)))
    }
  }

  /**
   * Starts a store on what is left, and compares: with what was said, and with the log, or where that has
   * been cut with a second start.
   * @throws where the store does not start, or differs from its log
   */
  async check (directory) {
    const durability = { directory, onNotice () {} }
    const store = await Store.start({ ttlCheckIntervalMs: 0, durability })
    const orders = store.hasBucket('orders') ? await store.bucket('orders').all() : []
    const { revision } = store
    const isCut = store.durability.files.snapshots.length > 0
    const image = JSON.stringify(store.image())
    await store.stop()
    if (!isCut) await compareWithLog(directory, orders, revision)
    else {
      const again = await Store.start({ ttlCheckIntervalMs: 0, durability })
      if (JSON.stringify(again.image()) !== image) throw new Error('a second start gives another state')
      await again.stop()
    }
    this.#compare(new Map(orders.map(({ id, n }) => [String(id), n])))
  }

  #compare (found) {
    for (const [id, { n, isDeleting, isDeleted }] of this.#known) {
      const now = found.get(id)
      if (isDeleted ? false : now === undefined ? !isDeleting : now < n) this.lost++
      if (isDeleted && now !== undefined) this.back++
    }
    // A change that was under way has happened, or has not.
    for (const [id, n] of found) {
      if (!this.#known.has(id)) this.#known.set(id, { n, isDeleting: false, isDeleted: false })
    }
    for (const [id, order] of this.#known) if (!found.has(id)) order.isDeleted = true
  }
}

/** Plays the commits of a log again, without a store. */
async function compareWithLog (directory, orders, revision) {
  const log = new FileLog({ directory })
  await log.open()
  const records = new Map()
  let last = 0
  for await (const entry of log.tail(0)) {
    if (entry.revision !== last + 1) throw new Error(`revision ${entry.revision} comes after ${last}`)
    last = entry.revision
    for (const change of entry.changes) {
      if (!('key' in change)) continue
      if (change.after === undefined) records.delete(change.key)
      else records.set(change.key, change.after)
    }
  }
  await log.close()
  if (last !== revision || JSON.stringify([...records.values()]) !== JSON.stringify(orders)) {
    throw new Error('the state differs from the log')
  }
}
