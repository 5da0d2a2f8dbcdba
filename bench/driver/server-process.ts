import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import type { Reading } from '../servers/control.js'

/** The programs in `servers/`. */
export type ServerName =
  | 'bare-ws' | 'raw-net' | 'bare-route' | 'noex' | 'noex-permissions' | 'noex-identity' | 'noex-audit-drop'
  | 'noex-audit-block' | 'noex-rules' | 'noex-metrics' | 'noex-fairness' | 'noex-durable'

/** A server in a process of its own, which tells what it has used. */
export class ServerProcess {
  readonly name: ServerName
  readonly port: number
  readonly #child: ChildProcess
  readonly #exited: Promise<never>

  private constructor (name: ServerName, child: ChildProcess, exited: Promise<never>, port: number) {
    this.name = name
    this.port = port
    this.#child = child
    this.#exited = exited
  }

  /** Starts a server, Node with these options, and resolves when it listens. */
  static async start (name: ServerName, nodeOptions: readonly string[] = []): Promise<ServerProcess> {
    const child = fork(new URL(`../servers/${name}.js`, import.meta.url), { execArgv: ['--expose-gc', ...nodeOptions, ...process.execArgv] })
    const exited = failure(name, child)
    const [port] = await Promise.race([once(child, 'message'), exited]) as [number]
    return new ServerProcess(name, child, exited, port)
  }

  /** What the process has used so far. */
  async read (): Promise<Reading> {
    return await this.#ask('read')
  }

  /** The same after a collection of all garbage, and some time for the memory to go back to the system. */
  async readCollected (): Promise<Reading> {
    await this.#ask('collect')
    await setTimeout(200)
    return await this.#ask('collect')
  }

  async stop (): Promise<void> {
    const exit = once(this.#child, 'exit')
    this.#child.disconnect()
    await exit
  }

  async #ask (question: 'read' | 'collect'): Promise<Reading> {
    this.#child.send(question)
    const [reading] = await Promise.race([once(this.#child, 'message'), this.#exited]) as [Reading]
    return reading
  }
}

async function failure (name: ServerName, child: ChildProcess): Promise<never> {
  const [code] = await once(child, 'exit') as [number | null]
  throw new Error(`the ${name} server has exited with code ${code}`)
}
