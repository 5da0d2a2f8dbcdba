import type { Dialect } from '../workload/dialects.js'
import { Client } from './client.js'
import { maskedTextFrame, type FrameRing } from './frame-ring.js'

/** A list that is watched and changed. */
export interface WatchedList {
  readonly port: number
  readonly dialect: Dialect
  /** The request for its changes, with the number 1. */
  readonly watch: string
  /** Any request that is answered, with the number 2. */
  readonly probe: string
  /** Requests that change a row each, of which all watchers hear; numbered from 1. */
  readonly changes: FrameRing
}

/** The watchers of a list on one server, and the client that changes it. */
export class Audience {
  readonly #list: WatchedList
  readonly #writer: Client
  readonly #watchers: Client[] = []
  #changed = 0
  #pushes = 0
  #pushedBytes = 0
  #onPush = (): void => {}

  private constructor (list: WatchedList, writer: Client) {
    this.#list = list
    this.#writer = writer
  }

  /** Starts with a writer and no watchers. */
  static async gather (list: WatchedList): Promise<Audience> {
    return new Audience(list, await Client.open(list.port, [], list.dialect.opening))
  }

  get size (): number {
    return this.#watchers.length
  }

  /** Bytes on the wire of one push, frame and all: the mean so far. */
  get bytesPerPush (): number {
    return this.#pushedBytes / this.#pushes
  }

  async growTo (size: number): Promise<void> {
    const { port, dialect, watch, probe } = this.#list
    while (this.#watchers.length < size) {
      const watcher = await Client.open(port, [], dialect.opening)
      watcher.send(maskedTextFrame(watch))
      // Where nothing answers, a request behind it is answered.
      if (dialect.isWatchSilent === true) {
        watcher.send(maskedTextFrame(probe))
        await this.#answered(watcher, 2)
      } else await this.#answered(watcher, 1)
      watcher.onMessage = (bytes, start, end) => {
        if (dialect.isPush(bytes, start)) this.#onPush()
        else if (dialect.kindOf(bytes, start, end, 0) !== undefined) {
          throw new Error(`expected a push, got ${bytes.toString('utf8', start, end)}`)
        }
      }
      this.#watchers.push(watcher)
    }
  }

  /**
   * Makes changes, each when every watcher has heard of the one before, and returns the milliseconds from
   * change to push.
   */
  async change (count: number): Promise<Float64Array[]> {
    const tookMs = new Float64Array(count * this.size)
    const before = this.#receivedBytes()
    let heard = 0
    for (let i = 0; i < count; i++) {
      const changedAt = performance.now()
      const all = new Promise<void>(resolve => {
        this.#onPush = () => {
          tookMs[heard++] = performance.now() - changedAt
          if (heard === (i + 1) * this.size) resolve()
        }
      })
      const index = this.#changed++
      const answered = this.#answered(this.#writer, index % this.#list.changes.size + 1)
      this.#writer.send(this.#list.changes.at(index))
      await Promise.all([answered, all])
    }
    this.#pushes += heard
    this.#pushedBytes += this.#receivedBytes() - before
    return [tookMs]
  }

  reset (): void {
    for (const client of [this.#writer, ...this.#watchers]) client.reset()
  }

  #receivedBytes (): number {
    return this.#watchers.reduce((sum, watcher) => sum + watcher.receivedBytes, 0)
  }

  async #answered (client: Client, id: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      client.onMessage = (bytes, start, end) => {
        const isResult = this.#list.dialect.kindOf(bytes, start, end, id)
        if (isResult === true) resolve()
        else if (isResult === false) {
          reject(new Error(`expected a result, got ${bytes.toString('utf8', start, end)}`))
        }
      }
    })
  }
}
