import { createHash } from 'node:crypto'
import type { StoreImage } from '@hamicek/noex-store'
import { LiveView, noCounts, type LiveFrame } from '../support/live-client.js'
import { WatchingClient, type ClientWorld, type Line, type LineEnd } from './client.js'
import { Disk } from './disk.js'
import { Life } from './event-loop.js'
import { loop } from './globals.js'
import { History, stateOf } from './history.js'
import { applicationWrite, changeRights, changeStructure, isExpected, randomWrite } from './operations.js'
import { Judge } from './judge.js'
import { randomRequest } from './queries.js'
import { Random } from './random.js'
import { isOfRights, ROOT, users } from './rights.js'
import { SimulatedServer } from './server.js'

/** The bounds of a run. */
export interface SimulationOptions {
  readonly seed: number
  readonly clients: number
  readonly operations: number
  /** Operations between two marks. */
  readonly markEvery: number
  /** Most queries that a client watches. */
  readonly views: number
  /** Kinds of operations that are left out. */
  readonly without: ReadonlySet<string>
}

/** Time after which nothing may be under way any more, in milliseconds. */
const SETTLE_MS = 3_000
/** Time after which clients that are not quiet have been forgotten by the server. */
const MAX_SETTLE_MS = 120_000

/** One run: clients, a server and operations, all of which the seed determines. */
export class Simulation implements ClientWorld {
  server: SimulatedServer | undefined
  readonly counts = noCounts()
  /** How often each kind of operation was done, and each thing was compared. */
  readonly done: Record<string, number> = {}
  readonly #options: SimulationOptions
  readonly #random: Random
  readonly #history: History
  readonly #disk: Disk
  readonly #judge: Judge
  readonly #clients: WatchingClient[]
  readonly #digest = createHash('sha256')
  #life: Life | undefined
  #running: SimulatedServer | undefined
  /** The last snapshot. */
  #image: StoreImage | undefined
  #operations = 0
  #isBurst = false

  constructor (options: SimulationOptions) {
    this.#options = options
    this.#random = new Random(options.seed, 'operations')
    this.#disk = new Disk(new Random(options.seed, 'disk'), entry => { this.#history.add(entry) })
    this.#history = new History(this.#disk.epoch)
    this.#judge = new Judge(this.#history, what => { this.#count(what) })
    this.#clients = Array.from({ length: options.clients }, (_, i) => {
      const user = i % 5 === 0 ? ROOT : users[i % users.length] as string
      const random = new Random(options.seed, `client ${i}`)
      return new WatchingClient(`client-${i}`, user, i % 6 !== 5, this, random)
    })
  }

  /** Runs it. Resolves with a text that is the same for the same seed; rejects at the first fault. */
  async run (): Promise<string> {
    this.#boot()
    await loop.run(() => this.server !== undefined)
    for (const client of this.#clients) {
      client.start()
      for (let i = this.#random.below(this.#options.views + 1); i > 0; i--) this.#watch(client)
    }
    while (this.#operations < this.#options.operations) {
      const end = Math.min(this.#options.operations, this.#operations + this.#options.markEvery)
      this.#next(end)
      await loop.run(() => this.#operations >= end)
      await this.#mark()
    }
    return this.#digest.digest('hex').slice(0, 16)
  }

  get now (): number {
    return loop.now
  }

  after (delayMs: number, run: () => void): void {
    loop.after(delayMs, run, 'outside')
  }

  fail (error: unknown): void {
    loop.fail(error)
  }

  connect (random: Random, end: LineEnd): Line | undefined {
    return this.server?.life.isOver === false ? this.server.connect(random, end) : undefined
  }

  async beginSession (user: string, token: string): Promise<boolean> {
    return await this.server?.beginSession(user, token) ?? false
  }

  onShown (client: WatchingClient, views: readonly LiveView[], cause: LiveFrame): void {
    this.#digest.update(`${client.name} ${loop.now} ${JSON.stringify(cause)}\n`)
    for (const view of views) {
      if (view.isDelta) this.#judge.check(client, view).catch(error => { loop.fail(error) })
    }
    this.#judge.checkTogether(client, views, cause).catch(error => { loop.fail(error) })
  }

  onRevision (client: WatchingClient, revision: number): void {
    this.#judge.checkNotice(client, revision).catch(error => { loop.fail(error) })
  }

  #count (what: string): void {
    this.done[what] = (this.done[what] ?? 0) + 1
  }

  /** Lets everything come to rest, and compares what all clients show with the plain evaluation. */
  async #mark (): Promise<void> {
    this.#disk.fullUntil = 0
    for (const client of this.#clients) client.read(true)
    await this.#settle()
    // A backup that was restored may have ended a session, also one that was about to begin.
    for (const client of this.#clients) client.logIn(client.user).catch(error => { loop.fail(error) })
    await this.#settle()
    for (const client of this.#clients) {
      for (const view of client.views) client.subscribe(view)
    }
    await this.#settle()
    if (this.server !== undefined) this.#judge.checkStore(this.server.store)
    for (const client of this.#clients) {
      for (const view of client.views) {
        await this.#judge.checkAtRest(client, view).catch(error => { throw client.failure(error, view) })
      }
      await this.#judge.checkPages(client).catch(error => { throw client.failure(error) })
    }
    this.#count('marks')
  }

  async #settle (): Promise<void> {
    const from = loop.now
    let next = from + SETTLE_MS
    let cancel = (): void => {}
    const look = (): void => { cancel = loop.after(50, look, 'outside') }
    look()
    await loop.run(() => {
      if (loop.now < next) return false
      next = loop.now + 100
      for (const client of this.#clients) {
        if (client.connection !== undefined && !client.isLoggedIn && client.connection.waiting === 0) {
          client.logIn(client.user).catch(error => { loop.fail(error) })
        }
      }
      const busy = this.#clients.filter(({ isAtRest }) => !isAtRest)
      if (busy.length > 0 && loop.now > from + MAX_SETTLE_MS) {
        const server = this.server === undefined ? 'there is no server' : 'there is a server'
        const names = busy.map(({ name }) => name).join(', ')
        throw (busy[0] as WatchingClient).failure(new Error(`${names} do not come to rest, and ${server}`))
      }
      return busy.length === 0 && this.server !== undefined
    })
    cancel()
  }

  #next (end: number): void {
    if (this.#operations >= end) return
    const random = this.#random
    if (random.chance(0.02)) this.#isBurst = !this.#isBurst
    loop.after(this.#isBurst ? random.next() * 0.2 : random.next() * 6, () => {
      this.#operations++
      this.#operate()
      this.#next(end)
    }, 'outside')
  }

  #operate (): void {
    const random = this.#random
    const client = random.pick(this.#clients)
    const kind = random.weighted([
      [55, 'write'], [18, 'application'], [2, 'rights'], [0.8, 'structure'], [4, 'watch'], [3, 'unwatch'],
      [3, 'turn'], [2, 'break'], [3, 'read'], [1.5, 'login'], [0.15, 'kill'], [0.05, 'stop'], [0.15, 'full'],
      [0.2, 'snapshot']
    ] as const)
    if (this.#options.without.has(kind)) return
    this.#count(kind)
    switch (kind) {
      case 'write': {
        const { type, fields } = randomWrite(random)
        // Most by one who may.
        const root = this.#clients.find(({ user, isQuiet }) => user === ROOT && isQuiet)
        const writer = random.chance(0.8) ? root : client
        writer?.send(type, random.chance(0.7) ? { ...fields, revision: true } : fields)
        break
      }
      case 'application': this.#perform(async store => { await applicationWrite(random, store) }); break
      case 'rights': this.#perform(async store => { await changeRights(random, store) }); break
      case 'structure': this.#perform(async store => { await changeStructure(random, store) }); break
      case 'watch': this.#watch(client); break
      case 'unwatch': {
        const views = [...client.views]
        if (views.length > 0) client.unsubscribe(random.pick(views))
        break
      }
      case 'turn': this.#turnPage(client); break
      case 'break': client.break(random.pick(['reset', 'end', 'silent'])); break
      case 'read':
        client.read(false)
        loop.after(random.chance(0.1) ? 6_000 : random.next() * 800, () => { client.read(true) }, 'outside')
        break
      case 'login':
        if (random.chance(0.5)) client.logOut().catch(error => { loop.fail(error) })
        else if (client.connection !== undefined) this.#logInAsAnother(client)
        break
      case 'kill': this.#kill(); break
      case 'stop': this.#stop(); break
      case 'full': this.#disk.fullUntil = loop.now + random.next() * 300; break
      case 'snapshot': this.#perform(async store => { await this.#snapshot(store) })
    }
  }

  #logInAsAnother (client: WatchingClient): void {
    const user = this.#random.pick([...users, client.user])
    for (const view of client.views) {
      // Its rows are the former user's: the server sends what differs by itself, or ends the subscription.
      if (view.state === 'ended') view.forget()
    }
    client.logIn(user).catch(error => { loop.fail(client.failure(error)) })
  }

  #watch (client: WatchingClient): void {
    if (client.views.size >= this.#options.views) return
    client.subscribe(new LiveView(randomRequest(this.#random, client.isDelta), client.isDelta))
  }

  /** Subscribes a page that begins where another one ends. */
  #turnPage (client: WatchingClient): void {
    const pages = [...client.views].filter(({ request, state, nextCursor }) =>
      request.page !== undefined && state === 'live' && typeof nextCursor === 'string')
    if (pages.length === 0 || client.views.size >= 2 * this.#options.views) return
    const { request, nextCursor } = this.#random.pick(pages)
    const page = { limit: 1 + this.#random.below(5), after: nextCursor as string }
    client.subscribe(new LiveView({ ...request, page }, true))
  }

  #perform (work: Parameters<SimulatedServer['perform']>[0]): void {
    this.server?.perform(work, error => { if (!isExpected(error)) loop.fail(error) })
  }

  async #snapshot (store: Parameters<Parameters<SimulatedServer['perform']>[0]>[0]): Promise<void> {
    const { server } = this
    const image = await store.takeImage()
    await store.whenDurable(image.revision)
    if (server?.life.isOver !== false || store.epoch !== this.#disk.epoch) return
    this.#disk.truncate(image)
    this.#image = image
  }

  #boot (): void {
    const life = this.#life = new Life()
    const random = new Random(this.#options.seed, `boot ${loop.now}`)
    SimulatedServer.boot(life, this.#disk, random).then(server => {
      this.server = server
      this.#running = server
      server.store.onCommit(({ changes }) => {
        if (changes.some(change => 'bucket' in change && isOfRights(change.bucket))) {
          this.#judge.noteRights(stateOf(this.#disk.epoch, server.store.image()))
        }
      })
    }, error => { loop.fail(error) })
  }

  #kill (): void {
    this.#life?.end()
    // Also one that is about to stop.
    this.#running?.kill()
    if (this.#image !== undefined && this.#random.chance(0.1)) this.#restore(this.#image)
    this.#down()
  }

  /** Puts an image of earlier on the disk, while no process runs. */
  #restore (image: StoreImage): void {
    this.#count('restore')
    this.#disk.restore(image)
    this.#history.begin(this.#disk.epoch, image)
    this.#judge.forget()
  }

  #stop (): void {
    const { server } = this
    if (server === undefined) return
    this.server = undefined
    server.stop().then(() => { loop.enter(undefined, () => { this.#down() }) }, error => {
      if (!isExpected(error)) loop.fail(error)
      loop.enter(undefined, () => { this.#down() })
    })
  }

  #down (): void {
    this.server = undefined
    const life = this.#life
    loop.after(this.#random.next() * 400, () => { if (this.#life === life) this.#boot() }, 'outside')
  }
}
