import { BroadcastChannel } from 'node:worker_threads'
import type { Test } from 'tap'
import WebSocket from 'ws'
import { composeClient } from '../../lib/client/client.js'
import { environment as realEnvironment, type Environment } from '../../lib/client/environment.js'
import type { Channel, Locks, TabEnvironment } from '../../lib/client/tab-transport.js'
import type { Client, ClientOptions, WebSocketClass } from '../../lib/client/types.js'

interface LockRequest {
  readonly tab: Tab
  readonly grant: () => Promise<void>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** The Web Locks of one origin, which Node 20 does not have. */
export class Origin {
  /** Locks that were taken away from their tabs. */
  thefts = 0
  readonly #held = new Map<string, LockRequest>()
  readonly #queues = new Map<string, LockRequest[]>()

  locksOf (tab: Tab): Locks {
    return {
      request: async (name, { steal, signal }, onGranted) => await new Promise((resolve, reject) => {
        const request: LockRequest = { tab, grant: onGranted, resolve, reject }
        const queue = this.#queue(name)
        if (steal !== true) {
          queue.push(request)
          signal?.addEventListener('abort', () => {
            const index = queue.indexOf(request)
            if (index < 0) return
            queue.splice(index, 1)
            reject(new DOMException('aborted', 'AbortError'))
          })
          return this.#next(name)
        }
        const robbed = this.#held.get(name)
        this.#grant(name, request)
        if (robbed !== undefined) this.thefts++
        robbed?.tab.run(() => { robbed.reject(new DOMException('stolen', 'AbortError')) })
      })
    }
  }

  /** Lets go all locks of a tab, as when its process has ended. */
  release (tab: Tab): void {
    for (const [name, queue] of this.#queues) {
      this.#queues.set(name, queue.filter(request => request.tab !== tab))
      if (this.#held.get(name)?.tab === tab) this.#held.delete(name)
      this.#next(name)
    }
  }

  /** Returns the tab that holds the lock; there is one lock at most. */
  get leader (): Tab | undefined {
    return [...this.#held.values()][0]?.tab
  }

  #queue (name: string): LockRequest[] {
    const queue = this.#queues.get(name) ?? []
    this.#queues.set(name, queue)
    return queue
  }

  #next (name: string): void {
    if (this.#held.has(name)) return
    const request = this.#queue(name).shift()
    if (request !== undefined) this.#grant(name, request)
  }

  #grant (name: string, request: LockRequest): void {
    this.#held.set(name, request)
    const settle = (end: () => void): void => {
      if (this.#held.get(name) === request) {
        this.#held.delete(name)
        this.#next(name)
      }
      end()
    }
    request.tab.run(() => {
      request.grant().then(
        value => { settle(() => { request.resolve(value) }) },
        (error: Error) => { settle(() => { request.reject(error) }) }
      )
    })
  }
}

/** A tab of a browser, with sockets, channels, timers and locks that stop when the tab does. */
export class Tab {
  readonly environment: Environment & TabEnvironment
  readonly WebSocket: WebSocketClass
  readonly origin: Origin
  readonly #sockets = new Set<WebSocket>()
  readonly #channels = new Set<BroadcastChannel>()
  readonly #pageHide = new Set<() => void>()
  #waiting: Array<() => void> | undefined
  isDead = false
  #onDeath: () => void = () => {}
  /** Resolves when it is killed. */
  readonly died = new Promise<void>(resolve => { this.#onDeath = resolve })

  constructor (origin: Origin) {
    this.origin = origin
    const tab = this
    this.WebSocket = class extends WebSocket {
      constructor (url: string) {
        super(url)
        tab.#sockets.add(this)
        this.on('error', () => {})
      }
    } as never
    this.environment = {
      ...realEnvironment,
      after: (delayMs, run) => realEnvironment.after(delayMs, () => { this.run(run) }),
      locks: origin.locksOf(this),
      BroadcastChannel: class {
        constructor (name: string) {
          const channel = new BroadcastChannel(name)
          let listener: Channel['onmessage'] = null
          tab.#channels.add(channel)
          channel.onmessage = (event: any) => {
            const { data } = event
            tab.run(() => { if (tab.#channels.has(channel)) listener?.({ data }) })
          }
          return {
            get onmessage () { return listener },
            set onmessage (value) { listener = value },
            postMessage: (data: unknown) => { if (!tab.isDead) channel.postMessage(data) },
            close: () => {
              tab.#channels.delete(channel)
              channel.close()
            }
          } satisfies Channel
        }
      } as never,
      onPageHide: run => {
        this.#pageHide.add(run)
        return () => { this.#pageHide.delete(run) }
      }
    }
  }

  /** Whether it holds the lock. */
  get isLeader (): boolean {
    return this.origin.leader === this
  }

  /** Channels that are open. */
  get channels (): number {
    return this.#channels.size
  }

  /** Runs what happens in the tab: later where it is frozen. */
  run (task: () => void): void {
    if (this.isDead) return
    if (this.#waiting !== undefined) this.#waiting.push(task)
    else task()
  }

  /** Stops everything, without a word; its locks and sockets stay. */
  freeze (): void {
    this.#waiting = []
    for (const socket of this.#sockets) if (socket.readyState === WebSocket.OPEN) socket.pause()
  }

  thaw (): void {
    const tasks = this.#waiting ?? []
    this.#waiting = undefined
    for (const task of tasks) task()
    for (const socket of this.#sockets) if (socket.isPaused) socket.resume()
  }

  /** Ends it as a browser ends a process. */
  kill (): void {
    this.isDead = true
    this.#onDeath()
    for (const socket of this.#sockets) socket.terminate()
    for (const channel of this.#channels) channel.close()
    this.origin.release(this)
  }

  /** Does what a browser does when the page is left. */
  hidePage (): void {
    for (const run of [...this.#pageHide]) run()
  }
}

/** A tab with its client. */
export interface ClientTab {
  readonly tab: Tab
  readonly client: Client
}

/** Opens a tab whose client comes back soon; both end with the test. */
export function openTab (
  t: Test, origin: Origin, url: string, options: ClientOptions = {}, environment: object = {}
): ClientTab {
  const tab = new Tab(origin)
  const client = composeClient(url, {
    WebSocket: tab.WebSocket, tabs: true, fallback: false, minDelayMs: 10, maxDelayMs: 50, ...options
  }, { ...tab.environment, ...environment })
  t.teardown(() => {
    client.close()
    tab.kill()
  })
  return { tab, client }
}
