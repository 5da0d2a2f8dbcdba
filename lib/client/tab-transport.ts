import { randomKey, environment as realEnvironment, type Environment } from './environment.js'
import { none } from './report.js'
import { openHub, type Hub } from './tab-hub.js'
import { LOST, type OpenTransport, type Transport, type TransportListener } from './transport.js'

/** The part of `BroadcastChannel` that the client uses. */
export interface Channel {
  onmessage: ((event: any) => void) | null
  readonly postMessage: (data: unknown) => void
  readonly close: () => void
}

/** The part of `navigator.locks` that the client uses. */
export interface Locks {
  readonly request: (
    name: string, options: { readonly steal?: boolean, readonly signal?: AbortSignal },
    onGranted: () => Promise<void>
  ) => Promise<unknown>
}

/** The surroundings of a tab: time, and where the global ones are not meant, locks and channels. */
export interface TabEnvironment extends Pick<Environment, 'now' | 'after'> {
  readonly locks?: Locks | undefined
  readonly BroadcastChannel?: (new (name: string) => Channel) | undefined
  /** Calls `run` when the page is left. Returns the function that ends that. */
  readonly onPageHide?: (run: () => void) => () => void
}

const globals = globalThis as {
  readonly navigator?: { readonly locks?: Locks }
  readonly BroadcastChannel?: new (name: string) => Channel
  readonly addEventListener?: (type: string, listener: () => void, options: { signal: AbortSignal }) => void
}

/** Version of the messages between tabs. Tabs of another have other channels, and another lock. */
const VERSION = 1

/** Time for an answer of the tab with the connection, in milliseconds; it may be up to twice that. */
const ANSWER_MS = 1_000

/** Time for the last message of a tab, which may come after its lock, in milliseconds. */
const WORD_MS = 50

/** Tabs that take the lead from each other so soon, in milliseconds, and so often, do not hear each other. */
const QUARREL_MS = 10_000
const MAX_QUARRELS = 3

/**
 * Returns the transport that all tabs of an origin share, those with the same `name`: the tab that has the
 * lock opens the real one, the others speak to it by channels. Each tab that speaks to another waits for the
 * lock, and so learns that the other is gone. One that is not answered takes the lock away. Where there are
 * no locks or channels, it is `openReal`.
 */
export function tabTransport (
  name: string, openReal: OpenTransport, environment: TabEnvironment = realEnvironment
): OpenTransport {
  const { now, after, locks, BroadcastChannel, onPageHide }: TabEnvironment = {
    locks: globals.navigator?.locks,
    BroadcastChannel: globals.BroadcastChannel,
    onPageHide: listenToPageHide,
    ...environment
  }
  if (!locks || !BroadcastChannel) return openReal
  const place = `noex ${VERSION} ${name}`
  let quarrels = 0

  return listener => {
    const id = randomKey()
    const controller = new AbortController()
    let common: Channel
    try {
      common = new BroadcastChannel(place)
    } catch {
      quarrels = MAX_QUARRELS
    }
    if (quarrels >= MAX_QUARRELS) return openReal(listener)

    let isOver = false
    /** The id of the tab that this one speaks to. */
    let leader: string | undefined
    let hub: Hub | undefined
    /** Leads to the server, here or by another tab. */
    let current: Transport | undefined
    let release = none

    const cleanUp = (): void => {
      cancelSteal()
      unlisten?.()
      common.close()
      controller.abort()
      release()
    }

    const stop = (): void => {
      isOver = true
      if (!hub) cleanUp()
      current?.close()
    }

    const onClose: TransportListener['onClose'] = (...ending) => {
      if (isOver) return
      stop()
      listener.onClose(...ending)
    }

    const onMessage = (text: string): void => { if (!isOver) listener.onMessage(text) }

    const lose = (): void => { hub ? hub.end(LOST, '') : onClose(LOST, '') }

    const loseSoon = (): void => { after(WORD_MS, lose) }

    /** Asks for the lock, and leads while it is there. */
    const request = async (options: Parameters<Locks['request']>[1]): Promise<void> => {
      /** The time when it was given. */
      let since: number | undefined
      try {
        await locks.request(place, options, async () => {
          if (isOver) return
          // Its tab has gone: without a word, or with one that is on its way.
          if (leader !== undefined) return loseSoon()
          since = now()
          await new Promise<void>(resolve => {
            release = resolve
            lead()
          })
        })
      } catch (error: any) {
        if (since !== undefined) {
          // Another tab has taken the lock away: this one was silent.
          quarrels = now() - since < QUARREL_MS ? quarrels + 1 : 0
          lose()
        } else if (!isOver && error?.name !== 'AbortError') {
          cancelSteal()
          current = openReal({ onMessage, onClose })
        }
      }
    }

    const lead = (): void => {
      const lines = new Map<string, Channel>()
      cancelSteal()
      hub = openHub(openReal, { now }, (...ending) => {
        // To those who have not joined yet; the others know.
        for (const line of lines.values()) {
          line.postMessage(ending)
          line.close()
        }
        cleanUp()
      })
      current = hub.join({ onMessage, onClose })
      const { join } = hub
      common.onmessage = ({ data }) => {
        const hello = data?.hello
        if (typeof hello !== 'string' || lines.has(hello)) return
        const line = new BroadcastChannel(`${place} ${id} ${hello}`)
        let member: Transport | undefined
        const close = (): void => {
          lines.delete(hello)
          line.close()
        }
        lines.set(hello, line)
        line.onmessage = event => {
          const text = event.data
          if (text === null) {
            close()
            member?.close()
          } else if (member) {
            member.send(String(text))
          } else {
            member = join({
              onMessage: message => { line.postMessage(message) },
              onClose: (...ending) => {
                line.postMessage(ending)
                close()
              }
            })
          }
        }
        common.postMessage({ lead: id, to: hello })
      }
      common.postMessage({ lead: id })
    }

    const follow = (leading: string): void => {
      cancelSteal()
      leader = leading
      const line = new BroadcastChannel(`${place} ${leading} ${id}`)
      line.onmessage = ({ data }) => {
        if (Array.isArray(data)) onClose(data[0], data[1], data[2])
        else onMessage(String(data))
      }
      line.postMessage('')
      current = {
        kind: 'tab',
        send: text => { line.postMessage(text) },
        close: () => {
          line.postMessage(null)
          line.close()
        }
      }
    }

    common!.onmessage = ({ data }) => {
      const { lead: leading, to } = Object(data)
      if (typeof leading !== 'string') return
      if (to === id) {
        if (leader === undefined) follow(leading)
      } else if (to === undefined) {
        if (leader === undefined) common.postMessage({ hello: id })
        else if (leader !== leading) loseSoon()
      }
    }
    common!.postMessage({ hello: id })
    const cancelSteal = after(ANSWER_MS * (1 + Math.random()), () => {
      controller.abort()
      request({ steal: true })
    })
    const unlisten = onPageHide?.(lose)
    request({ signal: controller.signal })

    return {
      get kind () { return current?.kind ?? 'tab' },
      send: text => { if (!isOver) current?.send(text) },
      close: () => {
        if (isOver) return
        stop()
        // The connection is dead, or to be made anew. One that the server ends goes on for the others.
        if (!hub?.isLeaving()) hub?.end(LOST, '')
      }
    }
  }
}

function listenToPageHide (run: () => void): () => void {
  const controller = new AbortController()
  globals.addEventListener?.('pagehide', run, controller)
  return () => { controller.abort() }
}
