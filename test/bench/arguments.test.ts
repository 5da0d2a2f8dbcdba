import t from 'tap'
import { parseArguments } from '../../bench/arguments.js'

const known = { all: ['get', 'store', 'peers'], quick: ['get', 'peers'] }

function parse (...words: string[]) {
  return parseArguments(words, known)
}

t.test('without a name all benchmarks run, or all that have a quick form', async t => {
  t.same(parse(), { names: ['get', 'store', 'peers'], isQuick: false, isReadme: false })
  t.same(parse('--quick'), { names: ['get', 'peers'], isQuick: true, isReadme: false })
})

t.test('names run in the order in which they are given, wherever the flags stand', async t => {
  t.same(parse('store', 'get').names, ['store', 'get'])
  t.same(parse('peers', '--quick', 'get'), { names: ['peers', 'get'], isQuick: true, isReadme: false })
})

t.test('--readme runs the peers', async t => {
  t.same(parse('--readme'), { names: ['peers'], isQuick: false, isReadme: true })
  t.same(parse('peers', '--readme'), { names: ['peers'], isQuick: false, isReadme: true })
})

t.test('a mistake is refused with the names that there are', async t => {
  t.throws(() => parse('got'), { message: 'there is no benchmark "got"; there are: get, store, peers' })
  t.throws(() => parse('--fast'), { message: 'there is no flag "--fast"; there are: --quick, --readme' })
  t.throws(() => parse('store', '--quick'), { message: '"store" has no quick form; these have: get, peers' })
  t.throws(() => parse('--readme', '--quick'), { message: /leave --quick out/ })
  t.throws(() => parse('--readme', 'get'), { message: '--readme runs "peers" alone' })
})
