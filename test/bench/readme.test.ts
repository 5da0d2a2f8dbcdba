import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Comparison, Peer } from '../../bench/benchmarks/peers.js'
import { COMMAND, peersTable, replaceGenerated } from '../../bench/readme.js'

const peers: Peer[] = [
  'noex', 'raw net', 'ws', 'Socket.IO 4', 'Feathers 5', 'tRPC 11', 'mercurius 16'
]

function perPeer<T> (figure: (index: number) => T): Record<Peer, T> {
  return Object.fromEntries(peers.map((peer, i) => [peer, figure(i)])) as Record<Peer, T>
}

function comparison (work: string, micros: readonly number[], bytes?: readonly number[]): Comparison {
  const costs = perPeer(i => {
    const cpuMicros = micros[i] ?? NaN
    return { cpuMicros, rounds: [cpuMicros], passedMicros: [cpuMicros], p50Ms: 1, p99Ms: 2 }
  })
  return { work, costs, ...(bytes && { bytes: perPeer(i => bytes[i] ?? NaN) }) }
}

const setting = { node: 'v20.0.0', cpu: 'A Processor', cores: 2, date: '2026-01-02' }

t.test('a work has one row with the figures and their ratios to ours', async t => {
  const table = peersTable([comparison('get', [20, 10, 15, 40, 80, 90, 140])], setting)
  t.same(table.split('\n'), [
    '|  | fastify-noex | raw net | ws | Socket.IO 4 | Feathers 5 | tRPC 11 | mercurius 16 |',
    '|---|---|---|---|---|---|---|---|',
    '| get, µs | 20.0 | 10.0 (0.50×) | 15.0 (0.75×) | 40.0 (2.00×) | 80.0 (4.00×) | 90.0 (4.50×) | ' +
      '140 (7.00×) |',
    '',
    '`npm run bench -- peers`, Node v20.0.0, 2 cores of A Processor, 2026-01-02.'
  ])
})

t.test('a push has another row with its bytes', async t => {
  const bytes = [231.4, 320, 320, 224, 233, 257, 212_265.5]
  const table = peersTable([comparison('push', [20, 10, 15, 40, 80, 90, 140], bytes)], setting)
  t.equal(table.split('\n')[3], '| … bytes | 231 | 320 | 320 | 224 | 233 | 257 | 212,266 |')
})

t.test('what was generated before is replaced, and nothing else', async t => {
  const rest = '<!-- end -->\n<!-- generated: b -->\nb\n<!-- end -->\nafter\n'
  const text = `before\n<!-- generated: a -->\nold\n${rest}`
  const once = replaceGenerated(text, 'a', 'new')
  t.equal(once, `before\n<!-- generated: a -->\n\nnew\n\n${rest}`)
  t.equal(replaceGenerated(once, 'a', 'new'), once)
  t.throws(() => replaceGenerated(text, 'c', ''), { message: /no part "<!-- generated: c -->" that ends/ })
  t.throws(() => replaceGenerated('<!-- generated: a -->\n', 'a', ''), { message: /that ends/ })
})

t.test('README.md has the part that is written', async t => {
  const readme = readFileSync('README.md', 'utf8')
  t.doesNotThrow(() => replaceGenerated(readme, COMMAND, ''))
})
