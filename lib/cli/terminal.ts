import type { WriteStream } from 'node:tty'
import type { CommandIo } from './command.js'

/** The size of a terminal that does not say its own, and the least that is reckoned with. */
const COLUMNS = 80
const ROWS = 24
const MIN_COLUMNS = 20
const MIN_ROWS = 4

/** Returns the columns of the terminal; 80 where there is none. */
export function widthOfTerminal ({ stdout }: Pick<CommandIo, 'stdout'>): number {
  return Math.max(MIN_COLUMNS, (stdout as Partial<WriteStream>).columns || COLUMNS)
}

function heightOfTerminal ({ stdout }: Pick<CommandIo, 'stdout'>): number {
  return Math.max(MIN_ROWS, (stdout as Partial<WriteStream>).rows || ROWS)
}

/** Beginning and end: another screen, without cursor and line breaks. */
const BEGIN = '\u001b[?1049h\u001b[?25l\u001b[?7l'
const END = '\u001b[?7h\u001b[?25h\u001b[?1049l'

/**
 * A second screen of the terminal, whose frames replace one another. A terminal that is slow gets the newest
 * frame when it has written the one before.
 */
export class Screen {
  readonly #io: CommandIo
  readonly #draw: (width: number, height: number) => readonly string[]
  readonly #off: (() => void) | undefined
  #isOpen = true
  #isBusy = false
  #isStale = false

  /** `draw` returns the lines of a frame, none of which is wider than `width`. */
  constructor (io: CommandIo, draw: (width: number, height: number) => readonly string[]) {
    this.#io = io
    this.#draw = draw
    io.stdout.write(BEGIN)
    io.stdout.on('resize', this.update)
    this.#off = io.onSignal?.(name => {
      if (name === 'SIGTSTP') {
        // Ctrl-Z: the shell gets its screen.
        io.stdout.write(END, () => { process.kill(process.pid, 'SIGSTOP') })
      } else {
        io.stdout.write(BEGIN)
        this.update()
      }
    }, ['SIGTSTP', 'SIGCONT'])
  }

  /** Draws the frame that is due. */
  readonly update = (): void => {
    this.#isStale = true
    if (!this.#isOpen || this.#isBusy) return
    this.#isStale = false
    const height = heightOfTerminal(this.#io)
    const lines = this.#draw(widthOfTerminal(this.#io), height).slice(0, height)
    this.#isBusy = true
    this.#io.stdout.write(`\u001b[H${lines.map(line => `${line}\u001b[K`).join('\r\n')}\u001b[J`, () => {
      this.#isBusy = false
      if (this.#isStale) this.update()
    })
  }

  /** Brings the former screen back. */
  close (): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#off?.()
    this.#io.stdout.off('resize', this.update)
    this.#io.stdout.write(END)
  }
}
