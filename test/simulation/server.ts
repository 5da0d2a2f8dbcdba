import WebSocket from 'ws'
import { Store } from '@hamicek/noex-store'
import { resolveOptions } from '../../lib/options/options.js'
import { NoexService } from '../../lib/service/service.js'
import { silentLog } from '../support/silent-log.js'
import { closeFrame, textFrame } from '../support/web-socket-frame.js'
import type { Line, LineEnd } from './client.js'
import type { Disk } from './disk.js'
import type { Life } from './event-loop.js'
import { loop } from './globals.js'
import { FrameReader } from './frames.js'
import { Wire } from './network.js'
import { beginSession, defineCode, fill, fillIdentity, SECRET } from './application.js'
import type { Random } from './random.js'

/** One process that serves the store of a disk. */
export class SimulatedServer {
  readonly life: Life
  readonly store: Store
  readonly #service: NoexService
  readonly #wires = new Set<Wire>()

  private constructor (life: Life, store: Store, service: NoexService) {
    this.life = life
    this.store = store
    this.#service = service
  }

  /** Starts a process on a disk; at the first time it fills the store. */
  static async boot (life: Life, disk: Disk, random: Random): Promise<SimulatedServer> {
    return await new Promise((resolve, reject) => {
      loop.after(0, () => {
        loop.enter(life, () => { bootStore(disk, random, life).then(resolve, reject) })
      }, life)
    })

    async function bootStore (disk: Disk, random: Random, life: Life): Promise<SimulatedServer> {
      const isFirst = disk.revision === 0
      const store = await Store.start({ name: 'simulated', onListenerError: error => { loop.fail(error) } })
      await store.attachLog(disk.open(life))
      if (isFirst) await fill(store, random)
      defineCode(store)
      const service = await NoexService.start(resolveOptions({
        store,
        auth: { builtIn: true, adminSecret: SECRET },
        backpressure: { maxBufferedBytes: 16_384, highWaterMark: 0.25, drainTimeoutMs: 4_000 },
        connectionLimits: { maxSubscriptionsPerConnection: 1_000 }
      }), { log: silentLog, address: () => null })
      if (isFirst) await fillIdentity(store)
      return new SimulatedServer(life, store, service)
    }
  }

  /** Connects a client. */
  connect (random: Random, end: LineEnd): Line {
    const reader = new FrameReader(end.onText, code => { wire.send(closeFrame(code === 1005 ? 1000 : code)) })
    const wire = new Wire(random, {
      onData: bytes => { reader.take(bytes) },
      onEnd: () => {
        this.#wires.delete(wire)
        end.onEnd()
      }
    }, this.life)
    this.#wires.add(wire)
    loop.after(random.next() * 3, () => { this.#accept(wire) }, this.life)
    return {
      get isBusy () { return wire.isBusy },
      send: text => { wire.send(textFrame(text)) },
      read: isReading => { wire.read(isReading) },
      break: how => { wire.break(how) }
    }
  }

  #accept (wire: Wire): void {
    const request = { ip: '127.0.0.1', peer: '127.0.0.1', rawHeaders: [], headers: {} }
    const admitted = this.#service.admit(request)
    if ('refused' in admitted || wire.isBroken) {
      wire.socket.destroy()
      return
    }
    const ws = new WebSocket(null as unknown as string, undefined, {})
    const options = { maxPayload: 1_048_576, skipUTF8Validation: false, allowSynchronousEvents: true }
    ;(ws as unknown as { setSocket: (socket: unknown, head: Buffer, options: object) => void })
      .setSocket(wire.socket, Buffer.alloc(0), options)
    const upgrade = { remoteAddress: '127.0.0.1', requestId: 'req', headers: {}, session: undefined }
    this.#service.accept(ws, upgrade)
  }

  /** Runs work of the application within the process. What it rejects with is told to `onError`. */
  perform (work: (store: Store) => Promise<unknown>, onError: (error: unknown) => void): void {
    if (this.life.isOver) return
    loop.after(0, () => { work(this.store).catch(onError) }, this.life)
  }

  /** Makes a session with a token; resolves with whether that is durable. */
  async beginSession (user: string, token: string): Promise<boolean> {
    return await new Promise(resolve => {
      const settle = (isDone: boolean): void => { loop.after(0, () => { resolve(isDone) }, 'outside') }
      this.perform(async store => {
        await beginSession(store, user, token)
        settle(true)
      }, () => { settle(false) })
    })
  }

  /** Ends the process as a loss of power would. */
  kill (): void {
    this.life.end()
    for (const wire of [...this.#wires]) wire.break('silent')
    this.#wires.clear()
  }

  /** Ends the process in order: everything that is committed is on the disk then. */
  async stop (): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      loop.after(0, () => {
        this.#service.close().then(async () => { await this.store.stop() }).then(resolve, reject)
      }, this.life)
    })
    this.life.end()
    for (const wire of [...this.#wires]) wire.break('silent')
    this.#wires.clear()
  }
}
