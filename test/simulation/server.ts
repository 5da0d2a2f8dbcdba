import { createHash } from 'node:crypto'
import WebSocket from 'ws'
import { Store, type BucketDefinition } from '@hamicek/noex-store'
import { resolveOptions } from '../../lib/options/options.js'
import { NoexService } from '../../lib/service/service.js'
import { silentLog } from '../support/silent-log.js'
import type { Disk } from './disk.js'
import type { Life } from './event-loop.js'
import { loop } from './globals.js'
import { Wire, type ClientEnd } from './network.js'
import { codeQueries, declaredNames, randomDeclaration } from './queries.js'
import type { Random } from './random.js'
import { roleId, roles, ROOT, users } from './rights.js'

/** Definitions of the buckets at the beginning. */
export const definitions: Readonly<Record<string, BucketDefinition>> = {
  items: {
    key: 'id',
    schema: {
      id: { type: 'string' }, owner: { type: 'string' }, state: { type: 'string' }, n: { type: 'number' },
      rank: { type: 'number' }, name: { type: 'string' }, note: { type: 'string' }
    },
    indexes: ['owner', 'n']
  },
  counted: {
    key: 'id',
    etsType: 'ordered_set',
    schema: {
      id: { type: 'number', generated: 'autoincrement' }, owner: { type: 'string' }, state: { type: 'string' },
      n: { type: 'number' }, rank: { type: 'number' }, name: { type: 'string' }, note: { type: 'string' }
    }
  },
  lines: {
    key: 'id',
    maxSize: 25,
    schema: {
      id: { type: 'string', generated: 'uuid' }, owner: { type: 'string' }, state: { type: 'string' },
      n: { type: 'number' }, rank: { type: 'number' }, name: { type: 'string' }, note: { type: 'string' }
    }
  }
}

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
      let runs = 0
      for (const [name, { run, variants }] of Object.entries(codeQueries)) {
        store.defineQuery(name, async (ctx, params: unknown) => await run(ctx, params, runs++ % variants))
      }
      const service = await NoexService.start(resolveOptions({
        store,
        auth: { builtIn: true, adminSecret: 'the secret of the simulation' },
        backpressure: { maxBufferedBytes: 16_384, highWaterMark: 0.25, drainTimeoutMs: 4_000 },
        connectionLimits: { maxSubscriptionsPerConnection: 1_000 }
      }), { log: silentLog, address: () => null })
      if (isFirst) await fillIdentity(store)
      return new SimulatedServer(life, store, service)
    }
  }

  /** Connects a client. */
  connect (random: Random, client: ClientEnd): Wire {
    const wire = new Wire(random, client, this.life)
    this.#wires.add(wire)
    loop.after(random.next() * 3, () => {
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
      this.#service.accept(ws, { remoteAddress: '127.0.0.1', requestId: 'req', headers: {}, session: undefined })
    }, this.life)
    return wire
  }

  forget (wire: Wire): void {
    this.#wires.delete(wire)
  }

  /** Runs work of the application within the process. What it rejects with is told to `onError`. */
  perform (work: (store: Store) => Promise<unknown>, onError: (error: unknown) => void): void {
    if (this.life.isOver) return
    loop.after(0, () => { work(this.store).catch(onError) }, this.life)
  }

  /** Makes a session with a token; resolves with whether that is durable. */
  async beginSession (user: string, token: string): Promise<boolean> {
    const id = createHash('sha256').update(token).digest('hex')
    const session = { id, userId: user === ROOT ? '__superadmin__' : user, expiresAt: Date.now() + 1e12 }
    return await new Promise(resolve => {
      const settle = (isDone: boolean): void => { loop.after(0, () => { resolve(isDone) }, 'outside') }
      this.perform(async store => {
        await store.bucket('_sessions').insert(session)
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

async function fill (store: Store, random: Random): Promise<void> {
  for (const [name, definition] of Object.entries(definitions)) await store.defineBucket(name, definition)
  for (const name of declaredNames) store.defineDeclarativeQuery(name, randomDeclaration(random))
}

/** Makes users, roles and sessions, as the application could. */
async function fillIdentity (store: Store): Promise<void> {
  for (const [name, permissions] of Object.entries(roles)) {
    const entries = permissions.map(permission => ({ allow: 'store.*', ...permission }))
    await store.bucket('_roles').insert({ id: roleId(name), name, permissions: entries })
  }
  const names = Object.keys(roles)
  for (const [i, user] of users.entries()) {
    await store.bucket('_users').insert({ id: user, username: `user-${user}`, passwordHash: 'none' })
    await store.bucket('_user_roles').insert({ userId: user, roleId: roleId(names[i % names.length] as string) })
  }
}
