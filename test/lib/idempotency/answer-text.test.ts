import t from 'tap'
import { answerText } from '../../../lib/idempotency/answer-text.js'
import { EncodedJson } from '../../../lib/protocol/encode.js'

t.test('an answer is the JSON of the reply, up to 65,536 bytes', t => {
  const values: unknown[] = [
    undefined, null, 0, true, 'ž', [], {}, [1, { a: [undefined, 'x'] }], { at: new Date(0), n: undefined }
  ]
  for (const value of values) t.equal(answerText(value), JSON.stringify(value) ?? 'null')
  t.equal(answerText(new EncodedJson('{"a": 1}')), '{"a": 1}')
  t.equal(answerText('x'.repeat(65_534))?.length, 65_536)
  t.equal(answerText('x'.repeat(65_535)), undefined)
  t.equal(answerText('ž'.repeat(32_767))?.length, 32_769)
  t.equal(answerText('ž'.repeat(32_768)), undefined)
  t.equal(answerText('"'.repeat(40_000)), undefined, 'longer than it looks')
  t.equal(answerText(new EncodedJson('x'.repeat(65_537))), undefined)
  t.equal(answerText({ a: { b: Array.from({ length: 7_000 }, () => 'x'.repeat(8)) } }), undefined)
  t.end()
})

t.test('a very long one is not read to its end', t => {
  let read = 0
  const items = Array.from({ length: 1_000_000 }, () => ({
    get text () {
      read++
      return 'x'.repeat(100)
    }
  }))
  t.equal(answerText({ items }), undefined)
  t.ok(read < 1_000, `${read} of a million`)
  t.end()
})

t.test('what is no JSON is an error', t => {
  const circle: unknown[] = []
  circle.push(circle)
  t.throws(() => answerText(circle))
  t.throws(() => answerText(1n), TypeError)
  t.end()
})
