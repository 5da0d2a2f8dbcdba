import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import type { Question, Reading } from '../servers/control.js'

/** The programs in `servers/`. */
export type ServerName =
  | 'bare-ws' | 'raw-net' | 'bare-route' | 'noex' | 'noex-permissions' | 'noex-identity' | 'noex-audit-drop'
  | 'noex-audit-block' | 'noex-rules' | 'noex-metrics' | 'noex-uncounted' | 'noex-fairness' | 'noex-durable'
  | 'noex-clustered'
  | 'transfer-noex' | 'transfer-bare-ws' | 'transfer-sqlite' | 'transfer-postgres' | 'transfer-redis'
  | 'bare-heartbeat' | 'noex-heartbeat' | 'noex-audited-off' | 'noex-audited-waiting' | 'noex-audited-noted'
  | 'prepared-ws' | 'noex-growth' | 'noex-code-queries' | 'bare-post' | 'noex-rpc' | 'noex-console'
  | 'noex-capacity'

/** The programs in `peers/`, which are no part of the build. */
export type PeerName = 'socket-io' | 'feathers' | 'trpc' | 'mercurius'

type Program = ServerName | PeerName

/** How a server is started. */
export interface ServerStart {
  /** Of Node. */
  readonly nodeOptions?: readonly string[]
  /** Of the program. */
  readonly args?: readonly string[]
  /** Another Node than the driver's. */
  readonly execPath?: string
}

/** A server in a process of its own, which tells what it has used. */
export class ServerProcess {
  readonly name: Program
  readonly port: number
  readonly #child: ChildProcess
  readonly #exited: Promise<never>

  private constructor (name: Program, child: ChildProcess, exited: Promise<never>, port: number) {
    this.name = name
    this.port = port
    this.#child = child
    this.#exited = exited
  }

  /** Starts a server and resolves when it listens. */
  static async start (name: ServerName, options?: ServerStart): Promise<ServerProcess> {
    return await ServerProcess.#fork(name, new URL(`../servers/${name}.js`, import.meta.url), options)
  }

  /** Starts the server of a peer, which must be installed, in the same way. */
  static async startPeer (name: PeerName, options?: ServerStart): Promise<ServerProcess> {
    const file = new URL(`../../../bench/peers/${name}.js`, import.meta.url)
    return await ServerProcess.#fork(name, file, options)
  }

  static async #fork (
    name: Program, file: URL, { nodeOptions = [], args = [], execPath = process.execPath }: ServerStart = {}
  ): Promise<ServerProcess> {
    const execArgv = ['--expose-gc', ...nodeOptions, ...process.execArgv]
    const child = fork(file, args, { execArgv, execPath })
    const exited = failure(name, child)
    const [port] = await Promise.race([once(child, 'message'), exited]) as [number]
    return new ServerProcess(name, child, exited, port)
  }

  /** Returns what the process has used so far. */
  async read (): Promise<Reading> {
    return await this.#ask('read') as Reading
  }

  /** The same after a collection of all garbage, and some time for the memory to go back to the system. */
  async readCollected (): Promise<Reading> {
    await this.#ask('collect')
    await setTimeout(200)
    return await this.#ask('collect') as Reading
  }

  /** The balances by the numbers of the accounts, where there are any. */
  async balances (): Promise<number[]> {
    return await this.#ask('balances') as number[]
  }

  /** Ends the process without a chance to write anything more. */
  async kill (): Promise<void> {
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exit
  }

  async stop (): Promise<void> {
    const exit = once(this.#child, 'exit')
    this.#child.disconnect()
    await exit
  }

  async #ask (question: Question): Promise<unknown> {
    this.#child.send(question)
    const [answer] = await Promise.race([once(this.#child, 'message'), this.#exited]) as [unknown]
    return answer
  }
}

async function failure (name: Program, child: ChildProcess): Promise<never> {
  const [code] = await once(child, 'exit') as [number | null]
  throw new Error(`the ${name} server has exited with code ${code}`)
}
