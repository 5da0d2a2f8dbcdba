import t from 'tap'
import { lazyTransport } from '../../../lib/client/lazy-transport.js'
import type { OpenTransport, TransportListener } from '../../../lib/client/transport.js'

/** A transport that notes what is done with it. */
function noted (): { open: OpenTransport, done: unknown[], listeners: TransportListener[] } {
  const done: unknown[] = []
  const listeners: TransportListener[] = []
  return {
    done,
    listeners,
    open: listener => {
      listeners.push(listener)
      return {
        kind: 'http',
        send: text => { done.push(text) },
        close: (...ending) => { done.push(['closed', ...ending]) }
      }
    }
  }
}

const silent: TransportListener = { onMessage: () => {}, onClose: () => {} }

t.test('is loaded once, when it is opened', async t => {
  const { open, done, listeners } = noted()
  let loads = 0
  const lazy = lazyTransport('tab', async () => {
    loads++
    return open
  })
  t.equal(loads, 0)
  const transport = lazy(silent)
  t.equal(transport.kind, 'tab')
  await undefined
  transport.send('c')
  transport.close(1000, 'over')
  t.equal(transport.kind, 'http')
  t.same(done, ['c', ['closed', 1000, 'over']])
  lazy(silent)
  await undefined
  t.equal(listeners.length, 2)
  t.equal(loads, 1)
})

t.test('one that is closed before is not opened', async t => {
  const { open, listeners } = noted()
  lazyTransport('http', async () => open)(silent).close()
  await new Promise(resolve => { setImmediate(resolve) })
  t.equal(listeners.length, 0)
})

t.test('code that cannot be loaded ends it with the reason, and is loaded again', async t => {
  let loads = 0
  const lazy = lazyTransport('http', async () => {
    throw new Error(`no file ${++loads}`)
  })
  for (const problem of ['no file 1', 'no file 2']) {
    t.same(await new Promise(resolve => {
      lazy({ onMessage: () => {}, onClose: (...ending) => { resolve(ending) } })
    }), [1006, '', problem])
  }
})
