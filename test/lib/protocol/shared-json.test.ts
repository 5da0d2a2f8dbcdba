import t from 'tap'
import { EncodedJson, encodeJson, encodeResult } from '../../../lib/protocol/encode.js'
import { sharingFrame, textFrame } from '../../../lib/protocol/frame.js'
import { charsOf } from '../../../lib/protocol/parts.js'
import { SharedJson, SharingText } from '../../../lib/protocol/shared-json.js'

t.test('A text with shared JSON', t => {
  t.test('is framed like any other, without a copy of what is shared', async t => {
    for (const length of [0, 1, 80, 126, 10_000, 65_535, 70_000]) {
      const shared = new SharedJson(`"${'x'.repeat(length)}"`)
      const text = new SharingText('{"id":"ž","data":', shared, '}')
      const frame = sharingFrame(text)
      t.ok(Buffer.concat(frame).equals(textFrame(String(text))), `${length} characters`)
      t.equal(frame[1], shared.bytes)
      t.equal(shared.bytes, shared.bytes, 'encoded once')
      t.equal(charsOf(text), String(text).length)
    }
    const wide = new SharingText('[', new SharedJson('"😀ž"'), ',"é"]')
    t.ok(Buffer.concat(sharingFrame(wide)).equals(textFrame('["😀ž","é"]')), 'bytes count, not characters')
  })

  t.test('becomes a reply with the same shared JSON', async t => {
    const shared = new SharedJson('[1,2]')
    const data = new EncodedJson(new SharingText('{"rows":', shared, '}'))
    const reply = encodeResult(7, data)
    t.equal(String(reply), '{"id":7,"type":"result","data":{"rows":[1,2]}}')
    t.equal((reply as SharingText).shared, shared)
    t.equal(encodeJson(data), '{"rows":[1,2]}')
  })
  t.end()
})
