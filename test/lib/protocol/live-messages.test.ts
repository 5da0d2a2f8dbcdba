import fc from 'fast-check'
import t from 'tap'
import { EncodedJson, encodeNotice, encodeResult } from '../../../lib/protocol/encode.js'
import { encodeDeltaPush, encodeLiveReply, readLiveStart } from '../../../lib/protocol/live-messages.js'
import { SharedJson } from '../../../lib/protocol/shared-json.js'

t.test('the beginning of replies and pushes with positions is read back', async t => {
  const head = fc.record({
    epoch: fc.string(), revision: fc.nat(), key: fc.option(fc.string())
  })
  fc.assert(fc.property(head, fc.jsonValue(), fc.boolean(), (head, value, isDelta) => {
    const json = JSON.stringify(value)
    const push = encodeDeltaPush('sub-x', head, isDelta ? { delta: json } : { data: json }, false)
    const body = isDelta ? json : new SharedJson(json)
    const reply = String(encodeResult(2, new EncodedJson(encodeLiveReply('sub-x', head, body))))
    for (const [text, braces] of [[push, 1], [reply, 2]] as const) {
      const start = readLiveStart(text)
      t.equal(start?.isDelta, isDelta)
      t.equal(text.slice(start?.bodyAt, -braces), json)
      t.same(Object.fromEntries(start?.members ?? []), {
        subscriptionId: '"sub-x"',
        epoch: JSON.stringify(head.epoch),
        revision: String(head.revision),
        key: JSON.stringify(head.key)
      })
    }
  }), { numRuns: 300 })
})

t.test('any other message has no such beginning', async t => {
  const others = [
    encodeNotice({ type: 'ping', timestamp: 5 }),
    encodeNotice({ type: 'system', event: 'subscription_closed', subscriptionId: 'x', reason: 'failed' }),
    '{"id":2,"type":"error","code":"FORBIDDEN","message":"no"}',
    '{"id":2,"type":"result","data":[1]}', '{"id":2,"type":"result","data":{"a":{}}}', '', '{'
  ]
  for (const text of others) t.equal(readLiveStart(text), undefined, text)
})
