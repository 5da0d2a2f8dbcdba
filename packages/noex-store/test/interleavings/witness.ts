import { isDeepStrictEqual } from 'node:util'
import type { Commit, Store, StoreRecord } from '../../src/index.js'

/** The marks that a participant has left, by bucket, key and participant. */
type Marks = Map<string, {
  readonly bucket: string,
  readonly key: string,
  readonly field: string,
  value: number
}>

/** Watches a store, and notes everything that must never be seen. */
export class Witness {
  readonly faults: string[] = []
  readonly heard: Commit[] = []
  readonly durable: Commit[] = []
  readonly undone: Commit[] = []
  readonly events: string[] = []
  /** Results that a subscriber of all records was told. */
  readonly pushed: Array<readonly StoreRecord[]> = []
  readonly #store: Store
  readonly #acknowledged: Marks = new Map()
  readonly #versions = new Set<string>()
  #marks = 0
  #revision: number

  constructor (store: Store) {
    this.#store = store
    this.#revision = store.revision
    store.onCommit(commit => { this.#onCommit(commit) })
    store.onDurable(commit => { this.#onDurable(commit) })
  }

  /** Hears the events of `store.on`. */
  async listen (): Promise<void> {
    await this.#store.on('bucket.*.*', ({ type, bucket, key, ...event }) => {
      const record = 'record' in event ? event.record : event.newRecord
      this.events.push(`${type} ${bucket} ${String(key)} ${record._version}`)
    })
  }

  saw (total: number, who: string): void {
    if (total !== 0) this.faults.push(`${who} saw half of a transfer: ${total}`)
  }

  /** Leaves a mark; once `write` has resolved it must stay. */
  async mark (
    bucket: string, key: string, writer: number, write: (mark: Record<string, unknown>) => Promise<void>
  ): Promise<void> {
    const field = `by${writer}`
    const value = ++this.#marks
    await write({ [field]: value })
    this.#acknowledged.set(`${bucket} ${key} ${field}`, { bucket, key, field, value })
  }

  /** Looks, at the end, whether everything that was acknowledged is there, and all was told in order. */
  async close (): Promise<readonly string[]> {
    for (const { bucket, key, field, value } of this.#acknowledged.values()) {
      const record = await this.#store.bucket(bucket).get(key)
      if (record?.[field] !== value) this.faults.push(`mark ${value} of ${bucket} ${key} was taken back`)
    }
    await this.#closePushes()
    const kept = this.heard.filter(commit => !this.undone.some(undone => undone.changes === commit.changes))
    if (kept.map(({ revision }) => revision).join() !== this.durable.map(({ revision }) => revision).join()) {
      this.faults.push('what is durable is not what was committed and kept')
    }
    const told = this.durable.flatMap(({ changes }) => changes.flatMap(change => {
      if (!('after' in change)) return []
      const { _version } = change.after ?? change.before ?? {}
      return [`${change.type.replace(/e?$/, 'ed')} ${change.bucket} ${String(change.key)} ${_version}`]
    }))
    if (told.join('\n') !== this.events.join('\n')) {
      this.faults.push('the events are not those of the commits, in order')
    }
    return this.faults
  }

  /** No push shows what was taken back, and the last one is the end. */
  async #closePushes (): Promise<void> {
    const lost = new Set(this.undone.flatMap(({ changes }) =>
      changes.flatMap(change => 'after' in change ? change.after ?? [] : [])))
    if (this.pushed.some(records => records.some(record => lost.has(record)))) {
      this.faults.push('a subscriber was told of what was taken back')
    }
    const records = await this.#store.runQuery<StoreRecord[]>('everything')
    if (this.pushed.length > 0 && !isDeepStrictEqual(this.pushed.at(-1), records)) {
      this.faults.push('the last push is not the end')
    }
  }

  #onCommit (commit: Commit): void {
    if (commit.undone === true) {
      if (commit.revision !== this.#revision) {
        this.faults.push(`revision ${commit.revision} was taken back out of order`)
      }
      this.#revision = commit.revision - 1
      this.undone.push(commit)
      for (const change of commit.changes) if ('after' in change) this.#versions.delete(versionOf(change))
      return
    }
    if (commit.revision !== this.#revision + 1) {
      this.faults.push(`revision ${commit.revision} after ${this.#revision}`)
    }
    this.#revision = commit.revision
    this.heard.push(commit)
    for (const change of commit.changes) {
      if (!('after' in change) || change.after === undefined) continue
      if (this.#versions.has(versionOf(change))) this.faults.push(`${versionOf(change)} has come twice`)
      this.#versions.add(versionOf(change))
    }
  }

  #onDurable (commit: Commit): void {
    const last = this.durable.at(-1)
    if (last !== undefined && commit.revision !== last.revision + 1) {
      this.faults.push(`revision ${commit.revision} was durable after ${last.revision}`)
    }
    this.durable.push(commit)
  }
}

function versionOf ({ bucket, key, after }: Extract<Commit['changes'][number], { after: unknown }>): string {
  return `${bucket} ${String(key)} version ${after?._version}`
}
