/**
 * Follows the calls between files. A move is the entry of a function whose caller, the innermost traced
 * function on the stack, is of another file, or the event loop. No moves are returns, the resumption of a
 * function after an `await`, and a callback that the event loop calls when it is written inside a function of
 * a file visited before.
 */
export class Recorder {
  #stack = []
  #files = new Set()
  #moves = 0
  #steps = []
  #isRecording = false
  /** The time of the last entry, by `performance.now()`. */
  lastEntry = 0

  start () {
    this.#files = new Set()
    this.#moves = 0
    this.#steps = []
    this.#isRecording = true
  }

  stop () {
    this.#isRecording = false
  }

  get trip () {
    return {
      files: this.#files.size,
      moves: this.#moves,
      returns: this.#moves - this.#files.size,
      steps: this.#steps
    }
  }

  enter (file, isInline) {
    const call = { file }
    this.lastEntry = performance.now()
    if (this.#isRecording) this.#count(file, isInline)
    this.#stack.push(call)
    return call
  }

  #count (file, isInline) {
    const caller = this.#stack.at(-1)?.file
    const goesOn = caller === file || (caller === undefined && isInline && this.#files.has(file))
    this.#files.add(file)
    if (goesOn) return
    this.#moves++
    this.#steps.push(`${caller ?? '(event loop)'} -> ${file}`)
  }

  leave (call) {
    const index = this.#stack.lastIndexOf(call)
    if (index >= 0) this.#stack.length = index
  }

  suspend (call, value) {
    this.leave(call)
    return value
  }

  resume (call, value) {
    this.back(call)
    return value
  }

  back (call) {
    if (!this.#stack.includes(call)) this.#stack.push(call)
  }

  /** Suspends the call while it waits for the next of the items of a `for await`. */
  iterate (call, items) {
    const iterator = (items[Symbol.asyncIterator] ?? items[Symbol.iterator]).call(items)
    return {
      [Symbol.asyncIterator]: () => ({
        next: async () => await this.suspend(call, iterator.next()),
        return: async value => await this.suspend(call, iterator.return?.(value) ?? { done: true, value })
      })
    }
  }
}
