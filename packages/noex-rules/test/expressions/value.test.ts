import t from 'tap'
import { compileValue, isReference } from '../../src/expressions/value.js'
import { scopeOf } from '../support/scope-fixture.js'

const scope = scopeOf({ data: { id: 7, list: [1, 2], object: { x: 1 } }, facts: { 'user:7': 'Ann' } })

const table: ReadonlyArray<readonly [value: unknown, resolved: unknown]> = [
  [1, 1],
  ['text', 'text'],
  [null, null],
  [false, false],
  [undefined, undefined],
  ['${event.id}', '${event.id}'],
  [{ a: '${event.id}' }, { a: '${event.id}' }],
  [{ ref: 'event.id' }, 7],
  [{ ref: 'event.object' }, { x: 1 }],
  [{ ref: 'event.missing' }, undefined],
  [{ ref: 'fact.user:${event.id}' }, 'Ann'],
  [{ a: { ref: 'event.id' }, b: 1 }, { a: 7, b: 1 }],
  [{ a: { b: [{ c: { ref: 'event.id' } }, { ref: 'event.list.1' }] } }, { a: { b: [{ c: 7 }, 2] } }],
  [[{ ref: 'event.id' }, 'ref', ['ref']], [7, 'ref', ['ref']]],
  [{ ref: 'event.id', other: 1 }, { ref: 'event.id', other: 1 }],
  [{ ref: 5 }, { ref: 5 }],
  [{ ref: { ref: 'event.id' } }, { ref: 7 }],
  [{}, {}],
  [[], []]
]

t.test('a value', async t => {
  for (const [value, resolved] of table) {
    t.test(`${JSON.stringify(value)} stands for what it says`, async t => {
      t.strictSame(
        compileValue(value)(scope), resolved
      )
    })
  }

  t.test('without references is copied once, and frozen', async t => {
    const given = { a: [{ b: 1 }] }
    const resolve = compileValue(given)
    given.a[0]!.b = 2
    const resolved = resolve(scope) as typeof given
    t.same(resolved, { a: [{ b: 1 }] })
    t.equal(resolve(scope), resolved)
    t.ok(Object.isFrozen(resolved) && Object.isFrozen(resolved.a) && Object.isFrozen(resolved.a[0]))
  })

  t.test('with references is created for each scope, and shares its constant parts', async t => {
    const resolve = compileValue({ a: { ref: 'event.id' }, b: { c: 1 } })
    const [first, second] = [resolve(scope), resolve(scope)] as Array<{ b: object }>
    t.not(first, second)
    t.equal(first!.b, second!.b)
  })

  t.test('hands on what it refers to, not a copy', async t => {
    t.equal((compileValue([{ ref: 'event.object' }])(scope) as unknown[])[0], scope.data['object'])
  })

  t.test('keeps a member of the name __proto__ as such', async t => {
    for (const text of ['{"__proto__": {"x": 1}}', '{"__proto__": {"x": {"ref": "event.id"}}}']) {
      const resolved = compileValue(JSON.parse(text))(scope) as object
      t.equal(Object.getPrototypeOf(resolved), Object.prototype)
      t.same(Object.keys(resolved), ['__proto__'])
      t.equal('x' in resolved, false)
    }
  })

  t.test('refers to known roots only', async t => {
    for (const ref of ['', 'x.y', 'events.id']) {
      t.throws(() => compileValue({ a: [{ ref }] }), { name: 'ReferencePathError' })
    }
  })

  t.test('is at most 16 levels deep', async t => {
    const nested = (levels: number) => {
      let value: unknown = 1
      for (let level = 0; level < levels; level++) value = [value]
      return value
    }
    t.doesNotThrow(() => compileValue(nested(16)))
    t.throws(() => compileValue(nested(17)), { name: 'RangeError' })
    const cycle: unknown[] = []
    cycle.push(cycle)
    t.throws(() => compileValue(cycle), { name: 'RangeError' }, 'and so does not hold itself')
  })
})

t.test('isReference', async t => {
  for (const value of [{ ref: 'event.id' }, { ref: '' }]) t.equal(isReference(value), true)
  for (const value of [
    null, undefined, 'ref', [], ['ref'], {}, { ref: 1 }, { ref: 'a', b: 1 }, Object.create({ ref: 'a' })
  ]) {
    t.equal(isReference(value), false)
  }
})
