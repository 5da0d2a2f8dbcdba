import t from 'tap'
import { CONDITION_OPERATORS, type ConditionOperator } from '../../src/condition.js'
import { operators } from '../../src/expressions/operators.js'

const object = { a: 1 }
const date = new Date(0)

const table: Readonly<
  Record<ConditionOperator, ReadonlyArray<readonly [actual: unknown, compare: unknown, holds: boolean]>>
> = {
  eq: [
    [1, 1, true], ['a', 'a', true], [null, null, true], [undefined, undefined, true], [object, object, true],
    [1, '1', false], [0, false, false], [
      null, undefined, false
    ], [{ a: 1 }, { a: 1 }, false], [[], [], false], [NaN, NaN, false], ['a', 'A', false]
  ],
  neq: [
    [1, 2, true], [1, '1', true], [undefined, null, true], [undefined, 1, true], [{ a: 1 }, { a: 1 }, true],
    [1, 1, false], [null, null, false], [object, object, false]
  ],
  gt: [
    [2, 1, true], [1, 1, false], [
      1, 2, false
    ], ['2', 1, false], [2, '1', false], ['b', 'a', false], [date, 0, false], [new Date(1), date, false],
    [
      undefined, 1, false
    ], [1, undefined, false], [null, -1, false], [NaN, 1, false], [2n, 1, false], [true, 0, false]
  ],
  gte: [[
    2, 1, true
  ], [1, 1, true], [1, 2, false], ['1', 1, false], [null, 0, false], [undefined, undefined, false]],
  lt: [[1, 2, true], [
    1, 1, false
  ], [2, 1, false], ['1', 2, false], [null, 1, false], ['a', 'b', false], [date, new Date(1), false]],
  lte: [[1, 2, true], [1, 1, true], [2, 1, false], ['1', 1, false], [null, 0, false]],
  in: [
    [1, [1, 2], true], ['a', ['a'], true], [undefined, [undefined], true], [object, [object], true],
    [3, [1, 2], false], ['1', [1], false], [{ a: 1 }, [{ a: 1 }], false], [1, [], false],
    [1, 1, false], ['a', 'abc', false], [1, undefined, false], [1, { 0: 1, length: 1 }, false]
  ],
  not_in: [
    [3, [1, 2], true], ['1', [1], true], [1, [], true], [undefined, [1], true], [{ a: 1 }, [{ a: 1 }], true],
    [1, [1, 2], false], [object, [object], false],
    [1, 1, false], ['x', 'abc', false], [1, undefined, false], [1, { length: 0 }, false]
  ],
  contains: [
    [
      'abc', 'b', true
    ], ['abc', '', true], [[1, 2], 2, true], [[object], object, true], [[undefined], undefined, true],
    ['abc', 'd', false], ['abc', 'B', false], [[1, 2], '2', false], [[{ a: 1 }], { a: 1 }, false],
    ['123', 2, false], [123, '2', false], [
      { a: 1 }, 'a', false
    ], [undefined, 'a', false], [null, null, false], ['abc', ['a'], false], [new Set(['a']), 'a', false]
  ],
  not_contains: [
    ['abc', 'd', true], [[1, 2], 3, true], [[1, 2], '2', true],
    ['abc', 'b', false], [[1, 2], 2, false],
    ['123', 2, true], [123, '2', true], [{ a: 1 }, 'a', true], [undefined, 'a', true], [null, null, true]
  ],
  matches: [
    ['abc', 'b', true], [
      'abc', '^a.c$', true
    ], ['order-12', '-\\d+$', true], ['', '', true], ['abc', '', true], ['č', '^.$', true],
    ['abc', '^b', false], [
      'abc', 'B', false
    ], ['abc', '(', false], ['abc', '*', false], ['aa', '(a)\\1', false], ['abc', '(?=a)', false],
    [12, '1', false], ['1', 1, false], [
      undefined, 'undefined', false
    ], [null, 'null', false], ['abc', undefined, false], [['a'], 'a', false], ['a', /a/, false]
  ],
  exists: [
    [false, undefined, true], [
      0, undefined, true
    ], ['', undefined, true], [NaN, undefined, true], [{}, undefined, true], [[], undefined, true],
    [undefined, undefined, false], [null, undefined, false], [null, true, false]
  ],
  not_exists: [
    [undefined, undefined, true], [null, undefined, true],
    [false, undefined, false], [0, undefined, false], ['', undefined, false]
  ]
}

t.test('the operators of a condition', async t => {
  t.strictSame(Object.keys(operators).sort(), [...CONDITION_OPERATORS].sort())
  for (const operator of CONDITION_OPERATORS) {
    t.test(operator, async t => {
      for (const [actual, compare, holds] of table[operator]) {
        t.equal(
          operators[operator](actual, compare),
          holds,
          `${show(actual)} ${operator} ${show(compare)} is ${holds}`
        )
      }
    })
  }

  t.test('in and not_in are both false, contains and not_contains never, without an array', async t => {
    for (const value of [undefined, null, 1, 'a', {}]) {
      t.equal(operators.in(value, 'a') || operators.not_in(value, 'a'), false)
      t.equal(operators.contains(value, 'a') !== operators.not_contains(value, 'a'), true)
    }
  })
})

function show (value: unknown): string {
  return typeof value === 'bigint' ? `${value}n` : JSON.stringify(value) ?? 'undefined'
}
