import t from 'tap'
import { Completion, completionsOf } from '../../../lib/cli/connect/completion.js'
import type { Client } from '../../../lib/client/index.js'

const names = {
  buckets: ['orders', 'order-lines', 'a b', 'evil\u001b[2J'],
  queries: ['open-orders'],
  procedures: ['ship'],
  operations: new Map([
    ['store.get', ['bucket', 'key']], ['store.group', ['bucket']], ['shop.ship', ['item']]
  ])
}

t.test('completes operations, commands of the prompt, members and names', async t => {
  const cases: Array<[line: string, names: string[], end: string]> = [
    ['store.g', ['store.get ', 'store.group '], 'store.g'],
    ['sho', ['shop.ship '], 'sho'],
    ['.w', ['.watch '], '.w'],
    ['store.get ', ['bucket=', 'key='], ''],
    ['store.get b', ['bucket='], 'b'],
    ['store.get bucket=or', ['bucket=orders', 'bucket=order-lines'], 'bucket=or'],
    ['store.get {"bucket": "orde', ['orders', 'order-lines'], 'orde'],
    ['store.subscribe query=', ['query=open-orders'], 'query='],
    ['procedures.call name=', ['name=ship'], 'name='],
    ['store.undefineQuery name=o', ['name=open-orders'], 'name=o'],
    ['.watch o', ['open-orders'], 'o'],
    ['.watch open-orders o', [], 'o'],
    ['store.get bucket=e', [], 'bucket=e'],
    ['store.get bucket=a', [], 'bucket=a'],
    ['store.get constructor=', [], 'constructor='],
    ['unknown.op x', [], 'x']
  ]
  for (const [line, expected, end] of cases) t.same(completionsOf(line, names), [expected, end], line)
  t.ok(completionsOf('', names)[0].includes('store.get '))
})

t.test('knows the names of the server, and keeps those of before where it does not answer', async t => {
  let answer: unknown = {
    buckets: { items: {} }, queries: { all: {} }, operations: { 'a.b': { input: { properties: { c: {} } } } }
  }
  const request = async (): Promise<unknown> => {
    if (answer instanceof Error) throw answer
    return answer
  }
  const completion = new Completion({ request } as unknown as Client, new Map([['store.get', ['bucket']]]))
  await completion.refresh()
  t.same(completion.complete('store.get bucket='), [['bucket=items'], 'bucket='])
  t.same(completion.complete('a.b '), [['c='], ''])
  answer = new Error('gone')
  await completion.refreshAfter('store.defineBucket name=x')
  t.same(completion.complete('store.get bucket='), [['bucket=items'], 'bucket='])
  answer = { buckets: { other: {} }, queries: 7, operations: { 'x.y': null } }
  await completion.refreshAfter('store.get bucket=items')
  t.same(completion.complete('store.get bucket='), [['bucket=items'], 'bucket='], 'a read changes no names')
  await completion.refreshAfter('store.dropBucket name=items')
  t.same(completion.complete('store.get bucket='), [['bucket=other'], 'bucket='])
  t.same(completion.complete('x.'), [['x.y '], 'x.'])
})

t.test('without an answer it has the operations of every server', async t => {
  const request = async (): Promise<never> => { throw new Error('too old') }
  const completion = new Completion({ request } as unknown as Client, new Map([['store.get', ['bucket']]]))
  await completion.refresh()
  t.same(completion.complete('store.'), [['store.get '], 'store.'])
})
