import { clearScreenDown, createInterface, cursorTo, moveCursor, type Interface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { CommandIo } from '../command.js'
import type { Completion } from './completion.js'
import { isKept, type History } from './history.js'

/** The functions that the prompt calls. */
export interface PromptHandler {
  /** Does what a line says. Resolves when the next may come, with `false` to leave. */
  readonly onLine: (line: string) => Promise<boolean>
  /** Called by Ctrl-C; returns whether there was something to give up. */
  readonly onInterrupt: () => boolean
}

const PROMPT = 'noex> '

/** Lines that were entered ahead, while a request waits. */
const MAX_AHEAD = 1_000

/** A line editor at the bottom of the terminal; what is shown meanwhile comes above it. */
export class Prompt {
  readonly #io: CommandIo
  readonly #reader: Interface
  readonly #handler: PromptHandler
  readonly #ahead: string[] = []
  #isBusy = false
  #isLeaving = false
  #isClosed = false

  constructor (io: CommandIo, handler: PromptHandler, completion: Completion, history: History) {
    this.#io = io
    this.#handler = handler
    this.#reader = createInterface({
      input: io.stdin as Readable,
      output: io.stdout,
      terminal: true,
      prompt: PROMPT,
      history: history.load(),
      historySize: 1_000,
      removeHistoryDuplicates: true,
      completer: completion.complete
    })
    this.#reader.on('history', lines => {
      if (lines[0] !== undefined && !isKept(lines[0])) lines.shift()
      else if (lines[0] !== undefined) history.add(lines[0])
    })
    this.#reader.on('line', line => {
      this.#isLeaving = false
      if (this.#ahead.length < MAX_AHEAD) this.#ahead.push(line)
      this.#next()
    })
    this.#reader.on('SIGINT', () => { this.#interrupt() })
  }

  /** Asks for lines until the end of the input, or until one says to leave. */
  async run (): Promise<void> {
    this.#reader.prompt()
    await new Promise<void>(resolve => {
      this.#reader.on('close', () => {
        this.#isClosed = true
        resolve()
      })
    })
  }

  /** Shows lines above the prompt. */
  print (text: string): void {
    const { stdout } = this.#io
    if (this.#isClosed) return
    if (this.#isBusy) {
      stdout.write(`${text}\n`)
      return
    }
    moveCursor(stdout, 0, -this.#reader.getCursorPos().rows)
    cursorTo(stdout, 0)
    clearScreenDown(stdout)
    stdout.write(`${text}\n`)
    this.#reader.prompt(true)
  }

  close (): void {
    if (!this.#isClosed) this.#reader.close()
  }

  async #next (): Promise<void> {
    if (this.#isBusy) return
    this.#isBusy = true
    for (let line = this.#ahead.shift(); line !== undefined; line = this.#ahead.shift()) {
      if (!await this.#handler.onLine(line)) return this.close()
    }
    this.#isBusy = false
    if (!this.#isClosed) this.#reader.prompt()
  }

  /** Gives up what is under way, else what is entered; where there is neither, the second time leaves. */
  #interrupt (): void {
    const { stdout } = this.#io
    this.#ahead.length = 0
    if (this.#handler.onInterrupt()) return
    if (this.#reader.line !== '') {
      stdout.write('^C\n')
      this.#reader.write(null, { ctrl: true, name: 'e' })
      this.#reader.write(null, { ctrl: true, name: 'u' })
      this.#reader.prompt()
    } else if (this.#isLeaving) {
      stdout.write('\n')
      this.close()
    } else {
      this.#isLeaving = true
      this.print('Ctrl-C again, or Ctrl-D, leaves.')
    }
  }
}
