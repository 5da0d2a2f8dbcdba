import t from 'tap'
import { endingOfClose, isFinalClose, withRemedies } from '../../../lib/client/ending.js'
import { remedyOf } from '../../../lib/client/remedies.js'
import type { Transport, TransportListener } from '../../../lib/client/transport.js'
import { closeReasons } from '../../../lib/protocol/close-codes.js'
import { clientCode } from '../../support/client-code.js'

t.test('each final close of a server has a text that says what to do', async t => {
  const closes: Array<[number, string, RegExp]> = [
    [1002, '', /a proxy, or a class of WebSockets/],
    [1003, 'binary_not_supported', /class of WebSockets that sends such/],
    [1007, '', /no UTF-8.*a proxy, or a class/],
    [1008, '', /the log of the server says why/],
    [1009, '', /maxPayloadBytes.*maxUnauthenticatedPayloadBytes.*send less at once/],
    [4002, 'session_revoked', /the session has been revoked/],
    [4002, 'logged_out', /another tab has logged out/],
    [4002, 'other_user', /give `tabs` a text that differs/],
    [4003, 'too_many_connections', /maxConnectionsPerIp.*close some, share one/]
  ]
  for (const [code, reason, advice] of closes) {
    t.ok(isFinalClose(code, reason))
    const text = remedyOf(code, reason, undefined)
    t.match(text, advice)
    t.ok(text.startsWith(`closed with ${code}${reason && ' '}${reason}: `), text)
  }
  for (const { code, reason, comeBack } of Object.values(closeReasons)) {
    if (!comeBack) t.notMatch(remedyOf(code, reason, undefined), /undefined/, reason)
  }
  t.match(remedyOf(1009, '', 'h answers 403'), /^h answers 403; closed with 1009: /)
})

t.test('only final closes wait for their text, and every other message comes at once', async t => {
  const seen: unknown[][] = []
  let listener!: TransportListener
  const transport: Transport = { kind: 'websocket', send: () => {}, close: () => {} }
  const open = withRemedies(given => {
    listener = given
    return transport
  })
  const opened = open({
    onMessage: text => { seen.push([text]) },
    onClose: (...ending) => { seen.push(ending) }
  })
  t.equal(opened, transport)
  listener.onMessage('hello')
  listener.onClose(1006, '', 'no network')
  listener.onClose(0, '', 'no class of WebSockets')
  t.same(seen.splice(0), [['hello'], [1006, '', 'no network'], [0, '', 'no class of WebSockets']])
  listener.onClose(1009, '')
  await clientCode()
  t.match(seen, [[1009, '', /maxPayloadBytes/]])
  const { error } = endingOfClose('wss://h/live', 1009, '', String(seen[0]?.[2]))
  t.match(error, { code: 'REFUSED', message: /^wss:\/\/h\/live: closed with 1009: .*, then call reconnect\(\)$/ })
})
