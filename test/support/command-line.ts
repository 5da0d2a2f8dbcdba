import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { CommandFunction, CommandIo } from '../../lib/cli/command.js'

/** Collects output, and lets a test wait for lines. */
export class Collector extends Writable {
  text = ''

  override _write (chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += String(chunk)
    this.emit('text')
    done()
  }

  get lines (): string[] {
    return this.text.split('\n').slice(0, -1)
  }

  /** Resolves with the lines when there are at least `count`. */
  async reach (count: number): Promise<string[]> {
    while (this.lines.length < count) await once(this, 'text')
    return this.lines
  }
}

/** Runs a command and returns its exit code and output. */
export async function run (
  command: CommandFunction, args: readonly string[], given: Partial<CommandIo> = {}
): Promise<{ code: number, lines: string[], errors: string[] }> {
  const stdout = new Collector()
  const stderr = new Collector()
  const code = await command(args, { stdout, stderr, isTTY: false, env: {}, ...given })
  return { code, lines: stdout.lines, errors: stderr.lines }
}

/** Returns the lines of files. */
export function storedLines (...files: string[]): string[] {
  return files.flatMap(file => readFileSync(file, 'utf8').split('\n').slice(0, -1))
}

/** The surroundings of a terminal without colours. */
export const terminal = { isTTY: true, env: { NO_COLOR: '1' } }

/** The file of the program `fastify-noex`. */
export const programFile = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url))

/** The environment of a program without the loaders of the tests: they take seconds of each start. */
export const programEnv: NodeJS.ProcessEnv = { ...process.env, NODE_OPTIONS: '' }

/** Runs the program `fastify-noex` as a process of its own. */
export async function execute (
  ...args: string[]
): Promise<{ readonly code: number, readonly stdout: string, readonly stderr: string }> {
  const options = { env: programEnv, maxBuffer: 2 ** 25 }
  return await promisify(execFile)(process.execPath, [programFile, ...args], options).then(
    output => ({ code: 0, ...output }),
    error => error as { code: number, stdout: string, stderr: string }
  )
}
