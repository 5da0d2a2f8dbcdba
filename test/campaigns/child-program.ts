import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

interface Question {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

interface Answer {
  readonly id: number
  readonly data?: unknown
  readonly problem?: string
}

/**
 * A program of a campaign in a process of its own, which does what it is asked by name. It ends with the
 * test.
 */
export class ChildProgram {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve: (data: any) => void, reject: (error: Error) => void }>()
  #lastId = 0

  private constructor (child: ChildProcess) {
    this.#child = child
    child.on('message', ({ id, data, problem }: Answer) => {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (problem === undefined) waiting?.resolve(data)
      else waiting?.reject(new Error(problem))
    })
    child.on('exit', code => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the program has ended with ${code}`))
    })
  }

  /** Starts a module of this folder and resolves when it is ready for questions. */
  static async start (t: Test, module: string, ...args: readonly string[]): Promise<ChildProgram> {
    const child = fork(fileURLToPath(new URL(module, import.meta.url)), args, { execArgv: process.execArgv })
    t.teardown(() => { child.kill('SIGKILL') })
    const program = new ChildProgram(child)
    await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => { throw new Error(`${module} has ended`) })
    ])
    return program
  }

  /** Kills it, and resolves when it has ended. */
  async kill (): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }

  /** Asks, and resolves with what the program's answer returns. */
  async ask (name: string, argument?: unknown): Promise<any> {
    const id = ++this.#lastId
    return await new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ id, name, argument } satisfies Question)
    })
  }
}

/** The program's side: answers questions by these functions until the parent is gone. */
export function answerBy (functions: Readonly<Record<string, (argument: any) => unknown>>): void {
  process.on('disconnect', () => { process.exit() })
  process.on('message', ({ id, name, argument }: Question) => {
    const answer = async (): Promise<Answer> => ({ id, data: await functions[name]?.(argument) })
    answer()
      .catch((error: Error): Answer => ({ id, problem: error.message }))
      .then(answer => process.send?.(answer))
      .catch(() => {})
  })
  process.send?.('ready')
}
