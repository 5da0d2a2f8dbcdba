import { renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DurableFile, followLines, sizeOf, syncDirectory, textOfCrcLine } from '@hamicek/noex-journal'
import { logFormat } from './log-format.js'

/** Text of the last line, by which a whole file shows. */
const END = '"end"'

/**
 * A file that is written at a time and then stays as it is: numbered lines with a CRC, and an end. It has its
 * own name only when it is whole and on the disk.
 */
export class WholeFile {
  readonly #path: string
  readonly #file: DurableFile
  #head = logFormat.start

  /** Begins a file under a temporary name; one of that name is removed. */
  constructor (path: string) {
    rmSync(path, { force: true })
    this.#path = path
    this.#file = new DurableFile(path, false)
  }

  /** Adds texts, one in a line. When that fails, the file is dropped: it takes no room on a full disk. */
  add (lines: string): void {
    let text = ''
    for (const line of lines.split('\n')) {
      const sealed = logFormat.seal(line, this.#head, logFormat.start)
      text += `${sealed.line}\n`
      this.#head = sealed.head
    }
    try {
      this.#file.append(Buffer.from(text))
    } catch (error) {
      this.drop()
      throw error
    }
  }

  /** Ends the file and gives it its name, in place of a file that has it. When that fails, it is dropped. */
  end (path: string): void {
    this.add(END)
    try {
      this.#file.sync()
      renameSync(this.#path, path)
    } catch (error) {
      this.drop()
      throw error
    }
    this.#file.close()
    syncDirectory(dirname(path))
  }

  /** Removes what there is of it. */
  drop (): void {
    this.#file.close()
    rmSync(this.#path, { force: true })
  }
}

/** How far a file is one that was ended. */
interface WholeRead {
  readonly isWhole: boolean
  /** Lines that are good, and their bytes: behind them stands what is damaged or missing. */
  readonly lines: number
  readonly goodBytes: number
}

/** Tells the texts of the lines of a file, in order, without its end. Holds a chunk and a line at a time. */
export function readWhole (path: string, visit: (text: string) => void): WholeRead {
  let last = ''
  const { goodBytes, size, lines } = followLines(path, logFormat, {
    before: logFormat.start,
    visit (line) {
      if (last === END) return false
      last = textOfCrcLine(line)
      if (last !== END) visit(last)
      return true
    }
  })
  // A file that a server has removed meanwhile was whole when it was opened.
  const sizeNow = sizeOf(path) ?? size
  return { isWhole: last === END && goodBytes === size && size === sizeNow, lines, goodBytes }
}
