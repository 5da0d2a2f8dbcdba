import fc from 'fast-check'
import { test } from 'tap'
import { APPENDED, RankedList } from '../../src/view/ranked-list.js'

const order = (a: number, b: number): number => a - b

test('a list with ranks is a sorted list', async t => {
  const changes = fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 1, maxLength: 2_000 })
  const beginning = fc.integer({ min: 0, max: 6 })
  fc.assert(fc.property(changes, beginning, (numbers, chunks) => {
    const list = new RankedList<number>(order)
    const model: number[] = []
    for (let i = 0; i < chunks; i++) {
      const items = Array.from({ length: APPENDED }, (_, at) => (i * APPENDED + at) * 2)
      model.push(...items)
      list.append(items)
    }
    for (const number of numbers) {
      const at = model.findIndex(item => item >= number)
      const index = at === -1 ? model.length : at
      if (model[index] === number) {
        if (list.indexOf(number) !== index) throw new Error(`indexOf(${number})`)
        if (list.remove(number) !== index) throw new Error(`remove(${number})`)
        model.splice(index, 1)
      } else {
        if (list.insert(number) !== index) throw new Error(`insert(${number})`)
        model.splice(index, 0, number)
      }
      if (list.size !== model.length || list.at(index) !== model[index]) throw new Error(`at(${index})`)
      if (list.countWhile(item => item < number) !== index) throw new Error(`countWhile(${number})`)
    }
    const [from, to] = [numbers[0] as number, (numbers[0] as number) + 700]
    if (list.slice(from, to).join() !== model.slice(from, to).join()) throw new Error(`slice(${from}, ${to})`)
    if (list.slice(0, Infinity).join() !== model.join()) throw new Error('slice')
    if (list.at(-1) !== undefined || list.at(model.length) !== undefined) throw new Error('beyond')
  }), { numRuns: 30 })
  t.pass('at each change')
})
