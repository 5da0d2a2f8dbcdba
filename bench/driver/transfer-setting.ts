import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { drawTransfers, transferFrames, transferPosts, type Distribution } from '../workload/transfers.js'
import type { Rivals } from './rivals.js'
import type { Load } from './rounds.js'
import { ServerProcess } from './server-process.js'
import { runTimedLoop, type Workload } from './timed-loop.js'
import { openHttpClient, openWebSocketClient, type TransferClient } from './transfer-client.js'
import { TransferLedger, type Audit } from './transfer-ledger.js'

export type ServedName = 'bare ws' | 'noex' | 'SQLite FULL' | 'SQLite NORMAL' | 'PostgreSQL' | 'Redis always'

/** With what the servers are started. */
export interface SettingOptions {
  /** Connections to each. */
  readonly clients: number
  /** Where they keep their files. */
  readonly folder: string
  readonly rivals: Rivals
  /** URL of an empty database of PostgreSQL. */
  readonly database: string
}

/** A load for one server. */
export interface TransferLoad {
  readonly distribution: Distribution
  readonly inFlight: number
  readonly lastsMs: number
}

interface Served {
  readonly server: ServerProcess
  readonly clients: readonly TransferClient[]
  readonly ledger: TransferLedger
}

/** All servers with the same accounts, clients of each, and what they have been asked and answered. */
export class TransferSetting {
  readonly #options: SettingOptions
  readonly #workloads: Readonly<Record<Distribution, Workload>>
  readonly #served = new Map<ServedName, Served>()

  private constructor (options: SettingOptions) {
    this.#options = options
    this.#workloads = { even: workload('even'), hot: workload('hot') }
  }

  /** Starts the servers, one after the other. */
  static async open (options: SettingOptions): Promise<TransferSetting> {
    const setting = new TransferSetting(options)
    const { folder, rivals, database } = options
    const start = async (
      name: ServedName, server: Promise<ServerProcess>, isHttp: boolean
    ): Promise<void> => {
      setting.#served.set(name, await setting.#serve(await server, new TransferLedger(), isHttp))
    }
    const sqlite = async (mode: string): Promise<ServerProcess> => {
      const args = [rivals.folder, folder, mode]
      return await ServerProcess.start('transfer-sqlite', { args, execPath: rivals.node })
    }
    try {
      await start('bare ws', ServerProcess.start('transfer-bare-ws', { args: [folder] }), false)
      await start('noex', setting.#startOurs(), false)
      await start('SQLite FULL', sqlite('FULL'), true)
      await start('SQLite NORMAL', sqlite('NORMAL'), true)
      await start('PostgreSQL', ServerProcess.start('transfer-postgres', { args: [database] }), true)
      const redis = join(folder, 'redis')
      mkdirSync(redis)
      const args = [rivals.folder, redis]
      await start('Redis always', ServerProcess.start('transfer-redis', { args }), true)
    } catch (error) {
      await setting.close()
      throw error
    }
    return setting
  }

  /** The servers, in the order in which they take turns. */
  get names (): ServedName[] {
    return [...this.#served.keys()]
  }

  server (name: ServedName): ServerProcess {
    return this.#of(name).server
  }

  /** Sends a load and resolves when all of it is answered. */
  async run (name: ServedName, { distribution, inFlight, lastsMs }: TransferLoad): Promise<Load> {
    const { clients, ledger } = this.#of(name)
    return await runTimedLoop({ clients, workload: this.#workloads[distribution], ledger, inFlight, lastsMs })
  }

  /** Compares the balances of a server with what it has answered. */
  async audit (name: ServedName): Promise<Audit & { readonly refused: number }> {
    const { server, ledger } = this.#of(name)
    return { ...ledger.audit(await server.balances()), refused: ledger.refused }
  }

  /** Kills ours when it has worked for `lastsMs`, while clients wait for answers, and starts it again. */
  async killUnderLoad (load: TransferLoad): Promise<void> {
    const { server, clients, ledger } = this.#of('noex')
    for (const client of clients) client.expectEnd()
    const isAnswered = await Promise.race([
      this.run('noex', { ...load, lastsMs: Infinity }).then(() => true), setTimeout(load.lastsMs, false)
    ])
    if (isAnswered) throw new Error('there is nothing left to answer when the server is killed')
    await server.kill()
    this.#served.set('noex', await this.#serve(await this.#startOurs(), ledger, false))
  }

  /** Ends all that has been started. */
  async close (): Promise<void> {
    for (const { server, clients } of this.#served.values()) {
      for (const client of clients) client.reset()
      await server.stop()
    }
  }

  async #startOurs (): Promise<ServerProcess> {
    return await ServerProcess.start('transfer-noex', { args: [join(this.#options.folder, 'noex')] })
  }

  async #serve (server: ServerProcess, ledger: TransferLedger, isHttp: boolean): Promise<Served> {
    const open = isHttp ? openHttpClient : openWebSocketClient
    const opening = Array.from({ length: this.#options.clients }, async () => await open(server.port))
    return { server, clients: await Promise.all(opening), ledger }
  }

  #of (name: ServedName): Served {
    const served = this.#served.get(name)
    if (served === undefined) throw new Error(`${name} is not served`)
    return served
  }
}

function workload (distribution: Distribution): Workload {
  const transfers = drawTransfers(distribution)
  return { transfers, frames: transferFrames(transfers), posts: transferPosts(transfers) }
}
