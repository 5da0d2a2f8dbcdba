import t from 'tap'
import { compileReference } from '../../src/expressions/reference.js'
import { scopeOf } from '../support/scope-fixture.js'

const scope = scopeOf({
  data: { id: 7, user: { name: 'Ann', roles: ['a', 'b'] }, topic: 'of the data' },
  meta: { id: 'e1', topic: 'order.placed', timestamp: 5, correlationId: 'c1', source: 'api' },
  matched: { 0: { id: 7 }, 1: { id: 8 }, last: { id: 8, deep: { x: 1 } } },
  facts: {
    'user:7': { tier: 'gold' }, 'user:7:tier': 'gold', 'v1.2': 'dotted', 'a:': 'empty', 'odd:${x': 'unclosed'
  },
  lookups: { customer: { name: 'Ben' }, nothing: undefined },
  variables: { item: { sku: 'x', n: { m: 1 } }, item_index: 3, list: [1, 2] }
})

const table: ReadonlyArray<readonly [path: string, value: unknown]> = [
  ['event', scope.data],
  ['trigger', scope.data],
  ['event.id', 7],
  ['trigger.id', 7],
  ['event.user.name', 'Ann'],
  ['event.user.roles.1', 'b'],
  ['event.user.roles.length', 2],
  ['event.topic', 'of the data'],
  ['event.timestamp', undefined],
  ['event.user.__proto__.toString', undefined],
  ['event.constructor', undefined],
  ['fact.user:7', { tier: 'gold' }],
  ['fact.user:7:tier', 'gold'],
  ['fact.user:7.tier', undefined],
  ['fact.v1.2', 'dotted'],
  ['fact.user:${event.id}:tier', 'gold'],
  ['fact.user:${event.id}', { tier: 'gold' }],
  ['fact.${event.missing}', undefined],
  ['fact.a:${event.missing}', 'empty'],
  ['fact.odd:${x', 'unclosed'],
  ['fact.user:*', undefined],
  ['fact.__proto__', undefined],
  ['var.item', { sku: 'x', n: { m: 1 } }],
  ['var.item.n.m', 1],
  ['var.item_index', 3],
  ['var.list.length', 2],
  ['var.missing.x', undefined],
  ['var.__proto__', undefined],
  ['var.constructor', undefined],
  ['matched.0.id', 7],
  ['matched.1', { id: 8 }],
  ['matched.last.deep.x', 1],
  ['matched.2.id', undefined],
  ['matched.__proto__', undefined],
  ['lookup.customer.name', 'Ben'],
  ['lookup.customer', { name: 'Ben' }],
  ['lookup.nothing', undefined],
  ['lookup.missing.name', undefined],
  ['meta.id', 'e1'],
  ['meta.topic', 'order.placed'],
  ['meta.timestamp', 5],
  ['meta.correlationId', 'c1'],
  ['meta.source', 'api']
]

const refused = [
  '', '.', 'x', 'x.y', 'Event.id', ' event.id', 'events', 'event.', 'trigger.', 'fact', 'fact.', 'var',
  'var.', 'matched', 'matched.',
  'lookup', 'lookup.', 'meta', 'meta.', 'meta.data', 'meta.topic.x', 'meta.constructor', 'constructor',
  '__proto__', 'this.x',
  '${event.id}', '${event.id}.x', 'event.${event.id}', 'var.${event.id}.x', 'fact.${x}', 'fact.a${fact.}',
  `event.${'x'.repeat(512)}`,
  `fact.${'${fact.'.repeat(9)}x${'}'.repeat(9)}`
]

t.test('a reference', async t => {
  for (const [path, value] of table) {
    t.test(`${path} stands for what is there`, async t => { t.same(compileReference(path)(scope), value) })
  }
  for (const path of refused) {
    t.throws(
      () => compileReference(path),
      { name: 'ReferencePathError', code: 'REFERENCE_PATH_ERROR' },
      `${JSON.stringify(path.slice(0, 40))} is refused`
    )
  }
  for (const value of [undefined, null, 1, {}, ['event']]) {
    t.throws(() => compileReference(value as string), { name: 'ReferencePathError' })
  }

  t.test('to what is not in the trigger is undefined', async t => {
    t.equal(compileReference('meta.correlationId')(scopeOf()), undefined)
    t.equal(compileReference('event.a.b')(scopeOf()), undefined)
  })
})
