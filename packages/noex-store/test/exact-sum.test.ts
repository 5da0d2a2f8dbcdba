import fc from 'fast-check'
import { test } from 'tap'
import { ExactSum } from '../src/query/exact-sum.js'
import { anyNumber } from './support/numbers.js'
import { exactMean, exactSum } from './support/exact.js'
import { repetitions } from './support/campaign.js'

const numRuns = repetitions(100_000, 1_000)

function sumOf (numbers: readonly number[]): ExactSum {
  const sum = new ExactSum()
  for (const number of numbers) sum.add(number)
  return sum
}

test('a sum is the number next to the exact one, in whichever order its numbers come', async () => {
  const anyOrder = fc.array(anyNumber, { maxLength: 40 }).chain(numbers =>
    fc.tuple(fc.constant(numbers), fc.shuffledSubarray(numbers, { minLength: numbers.length })))
  fc.assert(fc.property(anyOrder, ([numbers, shuffled]) => {
    const right = exactSum(numbers)
    return Object.is(sumOf(numbers).sum(), right) && Object.is(sumOf(shuffled).sum(), right)
  }), { numRuns })
})

test('a mean is the number next to the exact one', async () => {
  fc.assert(fc.property(fc.array(anyNumber, { minLength: 1, maxLength: 40 }), numbers =>
    Object.is(sumOf(numbers).mean(numbers.length), exactMean(numbers))), { numRuns })
})

test('numbers that are taken out leave nothing of themselves', async () => {
  const lists = fc.tuple(fc.array(anyNumber, { maxLength: 20 }), fc.array(anyNumber, { maxLength: 20 }))
  fc.assert(fc.property(lists, ([staying, leaving]) => {
    const sum = sumOf([...leaving, ...staying])
    sum.sum()
    for (const number of leaving) sum.subtract(number)
    return Object.is(sum.sum(), exactSum(staying))
  }), { numRuns })
})

test('rounds ties to even, and only a sum beyond all numbers is infinite', async t => {
  const half = 2 ** 970
  t.equal(sumOf([1, 2 ** -53]).sum(), 1)
  t.equal(sumOf([1 + 2 ** -52, 2 ** -53]).sum(), 1 + 2 ** -51)
  t.equal(sumOf([1, 2 ** -53, Number.MIN_VALUE]).sum(), 1 + 2 ** -52, 'the last bit of all decides')
  t.equal(sumOf([1e308, 1e308, -1e308]).sum(), 1e308)
  t.equal(sumOf([Number.MAX_VALUE, half, -Number.MIN_VALUE]).sum(), Number.MAX_VALUE)
  t.equal(sumOf([Number.MAX_VALUE, half]).sum(), Infinity)
  t.equal(sumOf([-Number.MAX_VALUE, -half]).sum(), -Infinity)
  t.equal(sumOf([Number.MAX_VALUE, Number.MAX_VALUE]).mean(2), Number.MAX_VALUE)
  t.equal(sumOf([2 ** 53 - 1, 2 ** 53 - 1, 1, 1]).sum(), 2 ** 54)
  t.equal(sumOf([0.1, 0.1, 0.1]).mean(3), 0.1, 'a mean of equal numbers is that number')
  t.ok(Object.is(sumOf([-0, -0]).sum(), 0))
  t.ok(Object.is(sumOf([-Number.MIN_VALUE, 0]).mean(2), 0), 'what is rounded to nothing is 0')
})

test('more numbers than limbs hold without a carry add up exactly', async t => {
  const count = 2 ** 21 + 3
  const sum = new ExactSum()
  for (let i = 0; i < count; i++) sum.add(-1.7976931348623157e308)
  for (let i = 0; i < count; i++) sum.add(0.1)
  t.equal(sum.sum(), -Infinity)
  for (let i = 0; i < count; i++) sum.subtract(-1.7976931348623157e308)
  // 0.1 is 3602879701896397 · 2^-55, and the count has 22 bits.
  t.equal(sum.sum(), Number(3_602_879_701_896_397n * BigInt(count)) * 2 ** -55)
  t.ok(sum.bytes < 1_000)
})
