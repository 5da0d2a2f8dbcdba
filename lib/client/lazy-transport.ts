import { LOST } from './ending.js'
import { messageOf } from './errors.js'
import type { OpenTransport, Transport } from './transport.js'

/** Messages that wait for the code of a transport. */
const MAX_WAITING = 1_000

/**
 * Returns the transport of a `kind` whose code is loaded when it is first opened, and again where that has
 * failed.
 */
export function lazyTransport (kind: Transport['kind'], load: () => Promise<OpenTransport>): OpenTransport {
  let loading: Promise<OpenTransport> | undefined
  return listener => {
    const waiting: string[] = []
    let transport: Transport | undefined
    let isOver = false
    const fail = (error: unknown): void => {
      loading = undefined
      if (isOver) return
      isOver = true
      listener.onClose(LOST, '', messageOf(error))
    }
    loading ??= load()
    loading.then(open => {
      if (isOver) return
      transport = open(listener)
      for (const text of waiting.splice(0)) transport.send(text)
    }, fail)
    return {
      get kind () { return transport?.kind ?? kind },
      send: text => {
        if (transport) transport.send(text)
        else if (waiting.length < MAX_WAITING) waiting.push(text)
        else fail('too many messages before it is open')
      },
      close: (code, reason) => {
        isOver = true
        transport?.close(code, reason)
      }
    }
  }
}
