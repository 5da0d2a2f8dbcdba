import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { cut, PART_CHARS, wholeText, type MessageText } from '../lib/protocol/parts.js'
import { systemClock } from '../lib/util/clock.js'
import { DeadlineQueue } from '../lib/util/deadline-queue.js'
import { isBurstOver, nextTurn } from '../lib/util/slice.js'

/** Makes answers that are too long to be written at once: each part follows when the one before is read. */
export class LongAnswers {
  /** Responses whose client must read on. */
  readonly #stalled: DeadlineQueue<ServerResponse>

  /** `timeoutMs`: time after which a client that has stopped reading is cut off. */
  constructor (timeoutMs: number) {
    this.#stalled = new DeadlineQueue(timeoutMs, systemClock, response => { response.destroy() })
  }

  /** Stops all timers. */
  stop (): void {
    this.#stalled.clear()
  }

  /** Returns a stream of a text. */
  streamOf (text: MessageText, response: ServerResponse): Readable {
    const parts = Array.isArray(text) ? text as readonly string[] : cut(wholeText(text))
    return this.#watched(parts, response)
  }

  /**
   * Runs `replies` one after the other and returns the array of them: a text, or a stream where it is long,
   * whose next reply is made when those before are read. Those that a client which has left would not get are
   * not made.
   */
  async listOf (
    replies: ReadonlyArray<() => Promise<MessageText>>, response: ServerResponse, hasLeft: () => boolean
  ): Promise<string | Readable> {
    const parts = listParts(replies, hasLeft)
    const first = await parts.next()
    if (first.done === true) return first.value
    return this.#watched(rest(first.value, parts), response)
  }

  /** Returns a stream of the parts, whose client must read on. */
  #watched (parts: Iterable<string> | AsyncIterable<string>, response: ServerResponse): Readable {
    const stalled = this.#stalled
    const end = (): void => { stalled.delete(response) }
    response.once('finish', end)
    response.once('close', end)
    return Readable.from((async function * () {
      for await (const part of parts) {
        // A reply may take its time: only the client's is measured.
        stalled.add(response)
        yield part
        stalled.delete(response)
      }
      stalled.add(response)
    })(), { highWaterMark: 1 })
  }
}

/** Yields the text of an array in parts of some length, and returns the last. */
async function * listParts (
  replies: ReadonlyArray<() => Promise<MessageText>>, hasLeft: () => boolean
): AsyncGenerator<string, string, undefined> {
  let text = '['
  for (const [i, reply] of replies.entries()) {
    if (hasLeft()) break
    // Others have their turn between two of them, as on a connection.
    if (i > 0) text += ','
    if (isBurstOver()) await nextTurn()
    text += wholeText(await reply())
    if (text.length <= PART_CHARS) continue
    const parts = cut(text)
    text = parts.pop() as string
    yield * parts
  }
  return text + ']'
}

/** Yields a first part and what follows it. */
async function * rest (
  first: string, parts: AsyncGenerator<string, string, undefined>
): AsyncGenerator<string, void, undefined> {
  yield first
  for (;;) {
    const { done, value } = await parts.next()
    yield value
    if (done === true) return
  }
}
