import t from 'tap'
import { compilePath, getNestedValue } from '../../src/expressions/path.js'

class Money {
  amount = 5
  get currency () { return 'CZK' }
}

const object = {
  a: { b: { c: 1 }, list: [{ x: 1 }, { x: 2 }], none: null, text: 'text' },
  '': { '': 1 },
  zero: 0,
  money: new Money(),
  bare: Object.assign(Object.create(null), { x: 1 }) as object,
  table: new Map([['x', 1]])
}

const table: ReadonlyArray<readonly [path: string, value: unknown]> = [
  ['', object],
  ['a.b.c', 1],
  ['zero', 0],
  ['a.none', null],
  ['a.list.0.x', 1],
  ['a.list.1', { x: 2 }],
  ['a.list.length', 2],
  ['a.list.2', undefined],
  ['a.list.-1', undefined],
  ['a.list.00', undefined],
  ['a.list.map', undefined],
  ['a.text.length', undefined],
  ['a.text.0', undefined],
  ['a.none.x', undefined],
  ['a.missing.x.y', undefined],
  ['missing', undefined],
  ['.', 1],
  ['a..b', undefined],
  ['money.amount', 5],
  ['money.currency', undefined],
  ['bare.x', 1],
  ['table.x', undefined],
  ['table.size', undefined],
  ['__proto__', undefined],
  ['a.__proto__.toString', undefined],
  ['constructor', undefined],
  ['constructor.prototype', undefined],
  ['a.constructor.name', undefined],
  ['toString', undefined],
  ['a.list.constructor', undefined],
  ['hasOwnProperty', undefined]
]

t.test('getNestedValue', async t => {
  for (const [path, value] of table) {
    t.same(getNestedValue(object, path), value, `reads ${JSON.stringify(path)}`)
    t.same(compilePath(path)(object), value)
  }
})

t.test('a path', async t => {
  t.test('finds nothing in what is no object', async t => {
    for (const value of [undefined, null, 1, 'text', true, Symbol('a'), () => 1]) {
      t.equal(getNestedValue(value, 'a.b'), undefined)
    }
    t.equal(getNestedValue('text', 'length'), undefined)
  })

  t.test('reads an own member of the name __proto__', async t => {
    t.equal(getNestedValue(JSON.parse('{"__proto__": {"x": 1}}'), '__proto__.x'), 1)
  })

  t.test('reads nothing where a getter throws', async t => {
    const hostile = { get a () { throw new Error('no') } }
    t.equal(getNestedValue(hostile, 'a'), undefined)
    t.equal(getNestedValue({ hostile }, 'hostile.a.b'), undefined)
    const { proxy, revoke } = Proxy.revocable<{ a?: number }>({ a: 1 }, {})
    revoke()
    t.equal(getNestedValue(proxy, 'a'), undefined)
  })

  t.test('follows a cycle as far as it goes', async t => {
    const cycle: Record<string, unknown> = { x: 1 }
    cycle['self'] = cycle
    t.equal(getNestedValue(cycle, 'self.self.self.x'), 1)
  })
})
