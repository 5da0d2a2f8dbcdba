import t from 'tap'
import { membersOf, wordsOf } from '../../../lib/cli/members.js'

t.test('members are one JSON object, or names with values', async t => {
  t.same(membersOf([]), {})
  t.same(membersOf(['{"bucket":"orders","key":1}']), { bucket: 'orders', key: 1 })
  t.same(membersOf(['bucket=orders', 'key=1', 'data={"a":[true]}', 'text="1"', 'empty=', 'x=a=b']), {
    bucket: 'orders', key: 1, data: { a: [true] }, text: '1', empty: '', x: 'a=b'
  })
  t.same(Object.keys(membersOf(['__proto__=1'])), ['__proto__'], 'as any other name')
})

t.test('everything else is refused, and named', async t => {
  const cases: Array<[string[], RegExp]> = [
    [['bucket'], /bucket is neither a JSON object nor name=value/],
    [['=1'], /=1 is neither/],
    [['[1]'], /must be a JSON object/],
    [['17'], /must be a JSON object/],
    [['"a"'], /must be a JSON object/],
    [['{"a":'], /it is no JSON/],
    [['{"a":1}', 'b=2'], /there is more behind the JSON/]
  ]
  for (const [words, message] of cases) {
    t.throws(() => membersOf(words), { name: 'UsageError', message }, words.join(' '))
  }
})

t.test('a line is split at blanks outside of brackets and quotes', async t => {
  t.same(wordsOf('  store.get   bucket=orders\tkey=1 '), ['store.get', 'bucket=orders', 'key=1'])
  t.same(wordsOf('op {"a": [1, 2], "b": "} ]"} x'), ['op', '{"a": [1, 2], "b": "} ]"}', 'x'])
  t.same(wordsOf('op name="a \\" b" c'), ['op', 'name="a \\" b"', 'c'])
  t.same(wordsOf('op name=\'a b\''), ['op', 'name=a b'])
  t.same(wordsOf('op \'{"a": 1}\''), ['op', '{"a": 1}'])
  t.same(wordsOf('op {"it\'s": 1}'), ['op', '{"it\'s": 1}'])
  t.same(wordsOf('op text=it\'s so'), ['op', 'text=it\'s', 'so'])
  t.same(wordsOf('op "open'), ['op', '"open'])
  t.same(wordsOf('op }} a b'), ['op', '}}', 'a', 'b'])
  t.same(wordsOf(''), [])
})
