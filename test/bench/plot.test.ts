import t from 'tap'
import { plotText } from '../../bench/plot.js'

const axes = { title: 'cost', x: 'rows', y: 'µs' }

function circlesOf (text: string): Array<[x: number, y: number]> {
  return [...text.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [Number(x), Number(y)])
}

t.test('a decade has the same length everywhere, and more is to the right and above', async t => {
  const text = plotText({
    ...axes, series: [{ name: 'a', points: [[1, 10], [10, 100], [100, 1_000], [1_000, 10_000]] }]
  })
  const [first, second, third, fourth] = circlesOf(text) as Array<[number, number]>
  t.ok(first && second && third && fourth)
  const steps = [[first, second], [second, third], [third, fourth]].map(([from, to]) =>
    [to![0] - from![0], from![1] - to![1]])
  for (const [right, up] of steps) {
    t.ok(right! > 100 && up! > 100)
    t.ok(Math.abs(right! - steps[0]![0]!) <= 0.2 && Math.abs(up! - steps[0]![1]!) <= 0.2)
  }
})

t.test('the axes end at powers of ten around all values, and name them', async t => {
  const text = plotText({
    ...axes, series: [{ name: 'a', points: [[20, 3]] }, { name: 'b', points: [[5_000, 0.5]] }]
  })
  const numbers = [...text.matchAll(/>([\d.,]+)<\/text>/g)].map(([, number]) => number)
  t.same(numbers, ['10', '100', '1,000', '10,000', '0.1', '1', '10'])
})

t.test('a line that is flat on a power of ten has an axis nevertheless', async t => {
  const text = plotText({ ...axes, series: [{ name: 'a', points: [[10, 100], [10, 100]] }] })
  t.notMatch(text, 'NaN')
  t.equal(circlesOf(text).length, 2)
})

t.test('each line has its colours in either scheme, and its name', async t => {
  const names = Array.from({ length: 9 }, (_, i) => `line ${i}`)
  const text = plotText({ ...axes, series: names.map(name => ({ name, points: [[1, 1]] })) })
  const [light, dark] = text.split('@media (prefers-color-scheme:dark)')
  for (const [i, name] of names.entries()) {
    const colour = new RegExp(`\\.line-${i}\\{--colour:#[0-9a-f]{6}\\}`)
    t.match(light, colour)
    t.match(dark, colour)
    t.match(text, `<g class="line-${i}">`)
    t.match(text, `>${name}</text>`)
  }
})

t.test('texts are no markup', async t => {
  const text = plotText({
    title: '<script>', x: 'a & b', y: '"y"', series: [{ name: 'x < $y', points: [[1, 1]] }]
  })
  t.notMatch(text, '<script>')
  t.match(text, '&lt;script&gt;')
  t.match(text, 'a &amp; b')
  t.match(text, 'x &lt; $y')
})

t.test('what a logarithmic scale does not have is refused', async t => {
  t.throws(() => plotText({ ...axes, series: [] }), { message: /above 0, and got none/ })
  for (const wrong of [0, -1, NaN, Infinity]) {
    t.throws(() => plotText({ ...axes, series: [{ name: 'a', points: [[1, wrong]] }] }), {
      message: `a logarithmic scale needs values above 0, and got ${wrong}`
    })
  }
})
