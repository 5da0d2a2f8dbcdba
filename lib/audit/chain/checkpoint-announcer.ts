import type { KeyObject } from 'node:crypto'
import type { ChainHead } from './chain.js'
import { signCheckpoint, type Checkpoint } from './checkpoint.js'
import type { SinkContext } from '../sink.js'
import { checkpointTeller, type CheckpointListener } from './sink-options.js'

/** How often checkpoints are made, and the callback that gets them. */
export interface AnnouncerOptions {
  readonly signingKey: KeyObject | undefined
  readonly checkpointEntries: number
  readonly checkpointIntervalMs: number
  readonly onCheckpoint: CheckpointListener | undefined
}

/** Makes checkpoints of a stream and passes them to the application. Nothing waits for the callback. */
export class CheckpointAnnouncer {
  readonly #options: AnnouncerOptions
  readonly #stream: string
  readonly #context: SinkContext
  readonly #tell: (checkpoint: Checkpoint) => void
  readonly #timer: NodeJS.Timeout
  #head: ChainHead
  #announced: number

  /** @param head the last durable entry at the start */
  constructor (options: AnnouncerOptions, stream: string, head: ChainHead, context: SinkContext) {
    this.#options = options
    this.#stream = stream
    this.#head = head
    this.#announced = head.seq
    this.#context = context
    this.#tell = checkpointTeller(options.onCheckpoint, context)
    this.#timer = setInterval(() => { this.#announce() }, options.checkpointIntervalMs)
    this.#timer.unref()
  }

  /** Records that all entries up to this one are durable. */
  durable ({ seq, hash }: ChainHead): void {
    this.#head = { seq, hash }
    if (seq - this.#announced >= this.#options.checkpointEntries) this.#announce()
  }

  /** Makes the last checkpoint and stops the timer. */
  close (): void {
    clearInterval(this.#timer)
    this.#announce()
  }

  #announce (): void {
    const { signingKey, onCheckpoint } = this.#options
    if (onCheckpoint === undefined || this.#head.seq === this.#announced) return
    this.#announced = this.#head.seq
    const checkpoint = signCheckpoint(
      { stream: this.#stream, ...this.#head, timestamp: this.#context.clock.now() },
      signingKey
    )
    this.#tell(checkpoint)
  }
}
