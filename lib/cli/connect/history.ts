import { appendFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

/** Lines that are kept, and bytes of a file that is read. */
const MAX_LINES = 1_000
const MAX_BYTES = 4_194_304

/** Lines with something that should not be on the disk, nor on the screen again. */
const secret = /password|secret|token/i

/** Whether a line is kept: it is not where it may hold a secret, or begins with a blank. */
export function isKept (line: string): boolean {
  return line.trim() !== '' && !line.startsWith(' ') && !secret.test(line)
}

/** Returns the file of the history; `undefined` for none. */
export function historyFile (env: Readonly<Record<string, string | undefined>>): string | undefined {
  const given = env['NOEX_HISTORY']
  if (given !== undefined) return given === '' ? undefined : given
  const state = env['XDG_STATE_HOME'] ?? ''
  return join(state === '' ? join(homedir(), '.local', 'state') : state, 'fastify-noex', 'history')
}

/** The lines that were entered, in a file that only its owner may read. A disk that fails ends it quietly. */
export class History {
  #file: string | undefined
  #last = ''

  constructor (file: string | undefined) {
    this.#file = file
  }

  /** Returns the lines of before, the newest first. */
  load (): string[] {
    if (this.#file === undefined) return []
    try {
      const stats = statSync(this.#file)
      if (!stats.isFile() || stats.size > MAX_BYTES) throw new Error('it is no history')
      const lines = readFileSync(this.#file, 'utf8').split('\n').filter(isKept)
      if (lines.length > 2 * MAX_LINES) {
        lines.splice(0, lines.length - MAX_LINES)
        writeFileSync(this.#file, `${lines.join('\n')}\n`, { mode: 0o600 })
      }
      return lines.slice(-MAX_LINES).reverse()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#file = undefined
      return []
    }
  }

  /** Adds a line, unless it is the one before again. */
  add (line: string): void {
    if (this.#file === undefined || !isKept(line) || line === this.#last) return
    this.#last = line
    try {
      mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 })
      appendFileSync(this.#file, `${line}\n`, { mode: 0o600 })
    } catch {
      this.#file = undefined
    }
  }
}
