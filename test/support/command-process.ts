import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Test } from 'tap'
import { programEnv, programFile } from './command-line.js'
import { temporaryDirectory } from './temporary-directory.js'

/** Time after which something that a program should have printed counts as missing. */
const PATIENCE_MS = 30_000

/** A running command, with what it has printed so far. */
export class CommandProcess {
  readonly child: ChildProcess
  /** The text of the output, or of the terminal, with `␛` for the escape character. */
  stdout = ''
  stderr = ''
  /** The exit code; the name of a signal where that has ended it. */
  readonly exited: Promise<number | string>

  constructor (t: Test, child: ChildProcess) {
    this.child = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => { this.stdout += visible(text) })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => { this.stderr += text })
    child.stdin?.on('error', () => {})
    this.exited = once(child, 'close').then(([code, signal]) => code as number ?? signal as string)
    t.teardown(async () => {
      child.kill('SIGKILL')
      await this.exited
    })
  }

  /** Resolves with the match when the pattern is in what was printed after `from`. */
  async sees (
    pattern: RegExp, { from = 0, on = 'stdout' }: { from?: number, on?: 'stdout' | 'stderr' } = {}
  ): Promise<RegExpExecArray> {
    const deadline = performance.now() + PATIENCE_MS
    for (;;) {
      const found = pattern.exec(this[on].slice(from))
      if (found !== null) return found
      if (this.child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`${pattern} is not in: ${this.stdout}\n${this.stderr}`)
      }
      await new Promise(resolve => { setTimeout(resolve, 20) })
    }
  }

  write (text: string): void {
    this.child.stdin?.write(text)
  }
}

/** Shows the beginnings of escape sequences: that of seven bits, and that of eight. */
function visible (text: string): string {
  return text.replaceAll('\u001b', '␛').replaceAll('\u009b', '␛␛')
}

/** Starts the program `fastify-noex` as a process of its own, with pipes. */
export function startCommand (
  t: Test, args: readonly string[], env: NodeJS.ProcessEnv = {}
): CommandProcess {
  return new CommandProcess(t, spawn(process.execPath, [programFile, ...args], {
    env: { ...programEnv, NOEX_HISTORY: '', ...env }, stdio: 'pipe'
  }))
}

/**
 * Starts it on a pseudo-terminal of 100 columns and 30 rows, by the program `script` of util-linux. What is
 * written to it are keys. The exit code is that of the command.
 */
export function startOnTerminal (
  t: Test, args: readonly string[], env: NodeJS.ProcessEnv = {}, size = 'cols 100 rows 30'
): CommandProcess {
  const words = [process.execPath, programFile, ...args].map(word => `'${word.replaceAll('\'', '\'\\\'\'')}'`)
  const history = join(temporaryDirectory(t), 'history')
  const command = `stty ${size}; exec ${words.join(' ')}`
  return new CommandProcess(t, spawn('script', ['-qec', command, '/dev/null'], {
    env: { ...programEnv, TERM: 'xterm', NOEX_HISTORY: history, ...env, SHELL: '/bin/sh' }, stdio: 'pipe'
  }))
}
