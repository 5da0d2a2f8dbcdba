import t from 'tap'
import { Histogram } from '../../../lib/util/histogram.js'

t.test('values fall into buckets up to and including their bounds', t => {
  const histogram = new Histogram([1, 10])
  for (const value of [0, 1, 1.1, 10, 11]) histogram.add(value)
  t.same([...histogram.buckets], [2, 2, 1])
  t.same([histogram.sum, histogram.max], [23.1, 11])
  t.end()
})

t.test('a quantile lies in the bucket of the value, and never above the largest', t => {
  const histogram = new Histogram([1, 10, 100])
  t.equal(histogram.quantile(0.5), 0, 'of nothing')
  for (let i = 0; i < 98; i++) histogram.add(0.5)
  histogram.add(20)
  histogram.add(40)
  t.ok(histogram.quantile(0.5) > 0 && histogram.quantile(0.5) <= 1)
  t.ok(histogram.quantile(0.99) > 10 && histogram.quantile(0.99) <= 40)
  t.equal(histogram.quantile(1), 40)
  const beyond = new Histogram([1])
  beyond.add(500)
  t.equal(beyond.quantile(0.99) <= 500 && beyond.quantile(0.99) > 1, true)
  t.end()
})
