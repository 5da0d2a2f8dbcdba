import type { Writable } from 'node:stream'
import { fragment } from '../protocol/frame.js'
import { charsOf } from '../protocol/parts.js'
import { isTurnOver, nextTurn } from '../util/slice.js'

/** Bytes that may wait in the socket while another part is written. */
const AHEAD_BYTES = 131_072

/** The outbox that a big message leaves from. */
export interface FragmentedMessageOwner {
  /** Whether frames may still be sent. */
  readonly isWritable: boolean
  /** Called when the client has read a part of the message. */
  onProgress: () => void
}

/** A big message: its parts are written as consecutive frames, no faster than the socket takes them. */
export class FragmentedMessage {
  readonly #parts: readonly string[]
  #next = 0
  #charsLeft: number

  /** `parts`: at least one. */
  constructor (parts: readonly string[]) {
    this.#parts = parts
    this.#charsLeft = charsOf(parts)
  }

  /** Characters that have not been handed to the socket. */
  get charsLeft (): number {
    return this.#charsLeft
  }

  /** Writes all parts. Resolves when the last has been handed to the socket, or no more may be. */
  async write (stream: Writable, owner: FragmentedMessageOwner): Promise<void> {
    while (this.#next < this.#parts.length) {
      if (!owner.isWritable || stream.destroyed) return
      const part = this.#parts[this.#next++] as string
      const frame = fragment(part, { isFirst: this.#next === 1, isLast: this.#next === this.#parts.length })
      this.#charsLeft -= part.length
      if (stream.writableLength + frame.length < AHEAD_BYTES) {
        stream.write(frame)
      } else {
        await writeAndWait(stream, frame)
        owner.onProgress()
      }
      if (isTurnOver()) await nextTurn()
    }
  }
}

/** Resolves when the socket has taken the frame, or has ended. */
async function writeAndWait (stream: Writable, frame: Buffer): Promise<void> {
  await new Promise<void>(resolve => {
    stream.once('close', resolve)
    stream.write(frame, () => {
      stream.off('close', resolve)
      resolve()
    })
  })
}
