import { LOST, type OpenTransport, type Transport } from './transport.js'
import { messageOf } from './report.js'

/**
 * Returns the transport of a `kind` whose code is loaded when it is first opened, and again where that has
 * failed. Nothing can be sent before: a client speaks only after the welcome.
 */
export function lazyTransport (kind: Transport['kind'], load: () => Promise<OpenTransport>): OpenTransport {
  let loading: Promise<OpenTransport> | undefined
  return listener => {
    let transport: Transport | undefined
    let isOver = false
    loading ??= load()
    loading.then(open => { if (!isOver) transport = open(listener) }, error => {
      loading = undefined
      if (!isOver) listener.onClose(LOST, '', messageOf(error))
    })
    return {
      get kind () { return transport?.kind ?? kind },
      send: text => { transport?.send(text) },
      close: (code, reason) => {
        isOver = true
        transport?.close(code, reason)
      }
    }
  }
}
