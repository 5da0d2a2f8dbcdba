import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { encodeBigResult, encodeResult } from '../../../lib/protocol/encode.js'
import { charsOf, cut, encodeInSlices, mayBeBig, PART_CHARS } from '../../../lib/protocol/parts.js'

const json = (): fc.Arbitrary<unknown> => fc.anything(
  {
    maxDepth: 5,
    maxKeys: 8,
    withDate: true,
    withNullPrototype: true,
    withSparseArray: true,
    values: [
      fc.string({ unit: 'binary' }),
      fc.double(),
      fc.constant(undefined),
      fc.boolean(),
      fc.constant(null),
      fc.constant(() => 1)
    ]
  }
)

t.test('The text in slices is that of JSON.stringify', async t => {
  const values = fc.oneof(json(), fc.array(json(), { maxLength: 20 }))
  await t.resolves(fc.assert(fc.asyncProperty(values, async value => {
    assert.equal([await encodeInSlices('', value, '')].flat().join(''), JSON.stringify(value) ?? 'null')
    assert.equal([await encodeBigResult(7, value)].flat().join(''), encodeResult(7, value))
  }), { numRuns: 1_000 }))
})

t.test('Values that JSON cannot hold are refused like by JSON.stringify', async t => {
  await t.rejects(encodeInSlices('', [1, 2, 3, 4, 5n], ''), TypeError)
  const circular: unknown[] = [1, 2, 3, 4]
  circular.push(circular)
  await t.rejects(encodeInSlices('', circular, ''), TypeError)
})

t.test('Parts are of a bounded size, and none ends within a character', async t => {
  const text = `x${'😀'.repeat(PART_CHARS)}`
  const parts = cut(text)
  t.equal(parts.join(''), text)
  t.ok(parts.every(part => part.length <= PART_CHARS && part.isWellFormed()))
  const encoded = await encodeInSlices('', Array.from({ length: 5 }, () => text), '')
  t.ok(Array.isArray(encoded) && encoded.every(part => part.length <= PART_CHARS && part.isWellFormed()))
  t.equal(charsOf(encoded), JSON.stringify(Array.from({ length: 5 }, () => text)).length)
})

t.test('A record is no big value, a list of some is', t => {
  const record = {
    id: 1, tags: Array.from({ length: 10 }, String), _version: 1, _createdAt: 0, _updatedAt: 0
  }
  t.notOk(mayBeBig(record))
  t.notOk(mayBeBig([record, record]))
  t.ok(mayBeBig([record, record, record, record]))
  t.ok(mayBeBig({ records: [record, record, record, record] }))
  t.ok(mayBeBig({ results: [{ index: 0, data: [record, record, record, record] }] }))
  t.end()
})

t.test('Other work is done while a big text is encoded', async t => {
  const record = { text: 'x'.repeat(1_000), list: Array.from({ length: 50 }, (_, i) => i) }
  let turns = 0
  const encoding = encodeInSlices('', Array.from({ length: 20_000 }, () => record), '')
  while (await Promise.race([encoding.then(() => false), setImmediate(true)])) turns++
  t.ok(turns > 3, `${turns} turns`)
})
