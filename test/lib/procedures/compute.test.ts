import t from 'tap'
import { computations, compute, type Computation } from '../../../lib/procedures/compute.js'

const MAX = Number.MAX_SAFE_INTEGER

const problemOf = (op: Computation, left: unknown, right?: unknown): string => {
  try {
    return `no problem: ${compute(op, left, right)}`
  } catch (error) {
    return (error as Error).message
  }
}

t.test('computes', async t => {
  const table: ReadonlyArray<
    readonly [op: Computation, left: number, right: number | undefined, result: number]
  > = [
    ['add', 1, 2, 3],
    ['add', 0.1, 0.2, 0.1 + 0.2],
    ['add', MAX, -1, MAX - 1],
    ['add', -0, -0, 0],
    ['subtract', 1, 2, -1],
    ['subtract', -MAX, -1, -MAX + 1],
    ['subtract', 5, 5, 0],
    ['multiply', -3, 4, -12],
    ['multiply', 0, -4, 0],
    ['multiply', 1.5, 2, 3],
    ['divide', 7, 2, 3.5],
    ['divide', 0, -3, 0],
    ['divide', 6, 3, 2],
    ['min', 1, 2, 1],
    ['max', 1, 2, 2],
    ['max', -1, -1.5, -1],
    ['round', 2.4, undefined, 2],
    ['round', 2.5, undefined, 3],
    ['round', -2.5, undefined, -3],
    ['round', -0.4, undefined, 0],
    ['round', 1.005, 2, 1.01],
    ['round', -1.005, 2, -1.01],
    ['round', 0.1 + 0.2, 2, 0.3],
    ['round', 1e-7, 3, 0],
    ['round', 1.5e-7, 7, 2e-7],
    ['round', 1e21, 2, 1e21],
    ['round', 1e308, 15, 1e308],
    ['round', MAX, 0, MAX],
    ['round', 123.456, 0, 123],
    ['round', 5e-324, 15, 0]
  ]
  for (const [op, left, right, result] of table) {
    t.strictSame(compute(op, left, right), result, `${op} ${left} ${right}`)
  }
})

t.test('refuses what is no number, and says which', async t => {
  for (const op of computations) {
    for (const value of [undefined, null, '1', true, {}, [], NaN, Infinity, 1n]) {
      t.equal(problemOf(op, value, 1), 'left: must be a number', `${op} ${String(value)}`)
      if (op !== 'round') {
        t.equal(problemOf(op, 1, value), 'right: must be a number', `${op} 1 ${String(value)}`)
      }
    }
  }
  for (const digits of [null, -1, 16, 1.5, '2', NaN]) {
    t.match(
      problemOf('round', 1, digits),
      'right: must be an integer from 0 to 15: the digits that "round" leaves',
      String(digits)
    )
  }
})

t.test('refuses a division by zero, and results that are too large or not exact', async t => {
  t.equal(problemOf('divide', 1, 0), 'right: must not be 0 in a division')
  t.equal(problemOf('divide', 0, -0), 'right: must not be 0 in a division')
  const table: ReadonlyArray<readonly [op: Computation, left: number, right: number]> = [
    ['add', MAX, 1],
    ['add', -MAX, -1],
    ['subtract', -MAX, 1],
    ['multiply', MAX, 2],
    ['multiply', 2 ** 27, 2 ** 27],
    ['add', 2 ** 60, 1],
    ['multiply', 1e200, 1e200],
    ['add', 1e308, 1e308],
    ['multiply', 1.5e200, 1.5e200],
    ['divide', 1e308, 0.01]
  ]
  for (const [op, left, right] of table) {
    t.match(problemOf(op, left, right), 'compute: overflow', `${op} ${left} ${right}`)
  }
})
