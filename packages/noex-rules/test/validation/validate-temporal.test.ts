import t from 'tap'
import { pathsOf, validateWith } from '../support/rule-fixture.js'

const event = { topic: 'a.*' }
const sequence = {
  type: 'sequence', events: [event, { topic: 'b', as: 'last', filter: { 'x.y': 1, z: null } }], within: '5m'
}
const absence = { type: 'absence', after: event, expected: { topic: 'b' }, within: 1000 }
const count = { type: 'count', event, threshold: 3, window: '1h' }
const aggregate = {
  type: 'aggregate', event, field: 'amount', function: 'sum', threshold: -1.5, window: '1h'
}

const table: ReadonlyArray<readonly [pattern: unknown, paths: readonly string[]]> = [
  [sequence, []],
  [{ ...sequence, groupBy: 'user.id', strict: true }, []],
  [absence, []],
  [{ ...absence, groupBy: 'user.id' }, []],
  [count, []],
  [{ ...count, comparison: 'eq', sliding: true, groupBy: 'x' }, []],
  [aggregate, []],
  [{ ...aggregate, comparison: 'lte', sliding: false, groupBy: 'x' }, []],
  ...['sum', 'avg', 'min', 'max', 'count'].map(name => [{ ...aggregate, function: name }, []] as const),

  [undefined, ['']],
  [null, ['']],
  ['a.*', ['']],
  [{}, ['.type']],
  [{ type: 'average' }, ['.type']],
  [{ type: '__proto__' }, ['.type']],

  [{ type: 'sequence' }, ['.within', '.events']],
  [{ ...sequence, events: event }, ['.events']],
  [{ ...sequence, events: [] }, ['.events']],
  [{ ...sequence, events: [event] }, ['.events']],
  [{ ...sequence, events: Array(33).fill(event) }, ['.events']],
  [{ ...sequence, events: [event, null, {}] }, ['.events[1]', '.events[2].topic']],
  [{ ...sequence, events: [{ topic: 'a', as: 'x' }, { topic: 'b', as: 'x' }] }, ['?.events[1].as']],
  [{ ...sequence, within: 0 }, ['.within']],
  [{ ...sequence, within: 'soon' }, ['.within']],
  [{ ...sequence, within: -1 }, ['.within']],
  [{ ...sequence, strict: 1 }, ['.strict']],
  [{ ...sequence, groupBy: 5 }, ['.groupBy']],
  [{ ...sequence, groupBy: '' }, ['.groupBy']],

  [{ type: 'absence' }, ['.within', '.after', '.expected']],
  [{ ...absence, after: 'a', expected: [] }, ['.after', '.expected']],
  [{ ...absence, expected: { topic: '' } }, ['.expected.topic']],

  [{ type: 'count' }, ['.event', '.window', '.threshold']],
  [{ ...count, threshold: 0 }, ['.threshold']],
  [{ ...count, threshold: '3' }, ['.threshold']],
  [{ ...count, threshold: NaN }, ['.threshold']],
  [{ ...count, comparison: 'gt' }, ['.comparison']],
  [{ ...count, sliding: 'yes' }, ['.sliding']],
  [{ ...count, window: '0s' }, ['.window']],

  [{ type: 'aggregate' }, ['.event', '.window', '.threshold', '.field', '.function']],
  [{ ...aggregate, field: 5 }, ['.field']],
  [{ ...aggregate, field: ' ' }, ['.field']],
  [{ ...aggregate, function: 'median' }, ['.function']],
  [{ ...aggregate, threshold: null }, ['.threshold']],
  [{ ...aggregate, comparison: 5 }, ['.comparison']],

  [{ ...count, event: { topic: '*'.repeat(9) } }, ['.event.topic']],
  [{ ...count, event: { topic: 5 } }, ['.event.topic']],
  [{ ...count, event: { topic: 'a', filter: [] } }, ['.event.filter']],
  [{
    ...count, event: { topic: 'a', filter: { x: { y: 1 }, z: [1], ok: 'a' } }
  }, ['.event.filter.x', '.event.filter.z']],
  [{
    ...count,
    event: {
      topic: 'a', filter: Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`x${index}`, 1]))
    }
  }, ['.event.filter']],
  [{ ...count, event: { topic: 'a', as: '' } }, ['.event.as']],
  [{ ...count, event: { topic: 'a', as: '0' } }, ['?.event.as']],
  [{ ...count, event: { topic: 'a', as: 'a.b' } }, ['?.event.as']],
  [{ ...count, event: { topic: 'a', as: 5 } }, ['.event.as']],
  [{ ...count, event: { topic: 'a', as: '__proto__' } }, []]
]

t.test('a temporal pattern', async t => {
  for (const [pattern, paths] of table) {
    const result = validateWith({ trigger: { type: 'temporal', pattern } })
    const expected = paths.map(path => path.replace(/^\??/, mark => `${mark}trigger.pattern`))
    t.same(pathsOf(result), expected, JSON.stringify(pattern)?.slice(0, 100) ?? 'none')
  }
})
