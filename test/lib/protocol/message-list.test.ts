import fc from 'fast-check'
import t from 'tap'
import { messagesIn } from '../../../lib/protocol/message-list.js'

function textsIn (body: string | Buffer): string[] | undefined {
  return messagesIn(Buffer.from(body as string))?.map(String)
}

t.test('one message, or those of an array, as they are written', async t => {
  t.same(textsIn('{"id":1}'), ['{"id":1}'])
  t.same(textsIn(' \n\t\r{"id":1}'), ['{"id":1}'])
  t.same(textsIn('hello'), ['hello'])
  t.same(textsIn('[]'), [])
  t.same(textsIn(' [ ] '), [])
  t.same(textsIn('[{"a":[1,{"b":"]"}]},{"c":"\\"],[{"}]'), ['{"a":[1,{"b":"]"}]}', '{"c":"\\"],[{"}'])
  t.same(textsIn('[1e400, 9007199254740993 ,x]'), ['1e400', ' 9007199254740993 ', 'x'], 'not parsed')
  t.same(textsIn('["\\\\",2]'), ['"\\\\"', '2'])
  t.equal(textsIn(`[${Array(1_000).fill(1).join()}]`)?.length, 1_000)
})

t.test('what is neither', async t => {
  const bodies = [
    '', ' \n', '[', '[1', '[1,', '[1,]', '[,1]', '[,]', '[1,,2]', '[1]]', '[1] x', '[1],', '[1}',
    '[{]', '[{}', '["', '["]', '["\\"]', `[${Array(1_001).fill(1).join()}]`
  ]
  for (const body of bodies) t.equal(textsIn(body), undefined, body.slice(0, 20))
  t.equal(messagesIn(Buffer.from([0x7b, 0xff, 0x7d])), undefined, 'no UTF-8')
  t.equal(messagesIn(Buffer.from([0x5b, 0x22, 0xc3, 0x22, 0x5d])), undefined, 'half a character')
})

t.test('any array of JSON is taken apart as a parser does', async t => {
  fc.assert(fc.property(fc.array(fc.jsonValue()), fc.integer({ min: 0, max: 3 }), (values, indent) => {
    const texts = textsIn(JSON.stringify(values, undefined, indent)) ?? []
    t.equal(JSON.stringify(texts.map(text => JSON.parse(text))), JSON.stringify(values))
  }), { numRuns: 300 })
})

t.test('any text is taken apart, or refused, and nothing of it is lost', async t => {
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom(...'[]{},"\\ 1x') }), body => {
    const texts = textsIn(body)
    if (texts === undefined) return
    const whole = body.trimStart().startsWith('[') ? `[${texts.join()}]` : texts.join()
    t.equal(whole.replaceAll(' ', ''), body.replaceAll(' ', ''))
  }), { numRuns: 2_000 })
})
