import fc from 'fast-check'
import { test } from 'tap'
import { IntervalList, type Interval } from '../../src/view/interval-list.js'

const bound = fc.option(fc.integer({ min: 0, max: 60 }), { nil: undefined, freq: 8 })
const steps = fc.array(
  fc.tuple(fc.boolean(), bound, bound, fc.integer({ min: -2, max: 62 })), { minLength: 1, maxLength: 400 }
)

test('a list of intervals finds those that hold a value', async t => {
  fc.assert(fc.property(steps, steps => {
    const list = new IntervalList<number>()
    const model: Array<Interval<number>> = []
    for (const [number, [isRemoved, lower, upper, value]] of steps.entries()) {
      const known = model[value % Math.max(1, model.length)]
      if (isRemoved && known !== undefined) {
        list.remove(known)
        model.splice(model.indexOf(known), 1)
      } else {
        const interval = { lower, upper, number, item: number }
        list.add(interval)
        model.push(interval)
      }
      const found: number[] = []
      list.visit(value, item => { found.push(item) })
      const expected = model
        .filter(({ lower = -Infinity, upper = Infinity }) => Number(lower) <= value && value <= Number(upper))
        .map(({ item }) => item)
      if (found.sort((a, b) => a - b).join() !== expected.sort((a, b) => a - b).join()) {
        throw new Error(`${value}: ${found.join()} instead of ${expected.join()}`)
      }
      const all = new Set<number>()
      list.visitAll(item => { all.add(item) })
      if (all.size !== model.length || list.size !== model.length) throw new Error('size')
    }
  }), { numRuns: 60 })
  t.pass('after each change')
})
