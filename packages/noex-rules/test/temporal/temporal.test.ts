import t from 'tap'
import type { RuleInput, TemporalPattern } from '../../src/index.js'
import { FakeClock } from '../support/fake-clock.js'
import { recordEvents, rule, startEngine } from '../support/start-engine.js'
import { type Step, temporal, watch } from '../support/watch-pattern.js'

/** The steps, and the firings of the rule after them. */
type Row = [name: string, pattern: TemporalPattern, steps: Step[], fired: number]

const aThenB = {
  type: 'sequence', events: [{ topic: 'a' }, { topic: 'b' }], within: '10s'
} as const satisfies TemporalPattern
const byUser = { groupBy: 'user' }
const u1 = { user: 1 }
const u2 = { user: 2 }

const rows: Row[] = [
  ['sequence: both in order', aThenB, [['a'], ['b']], 1],
  ['sequence: in the wrong order', aThenB, [['b'], ['a']], 0],
  ['sequence: with others between', aThenB, [['a'], ['x'], ['b']], 1],
  ['sequence: at the very end of the time', aThenB, [['a'], 9999, ['b']], 1],
  ['sequence: too late', aThenB, [['a'], 10_001, ['b']], 0],
  ['sequence: the time runs from the first, not from the last', {
    ...aThenB, events: [{ topic: 'a' }, { topic: 'b' }, { topic: 'c' }]
  }, [['a'], 6000, ['b'], 6000, ['c']], 0],
  ['sequence: without groups each first event begins one', aThenB, [['a'], ['a'], ['b']], 2],
  ['sequence: is done with when it is complete', aThenB, [['a'], ['b'], ['b']], 1],
  ['sequence: one event may end one and begin the next', {
    ...aThenB, events: [{ topic: 'a' }, { topic: 'a' }], ...byUser
  }, [['a', u1], ['a', u1], ['a', u1]], 2],
  ['sequence: in a group one goes on at a time', {
    ...aThenB, ...byUser
  }, [['a', u1], ['a', u1], ['b', u1], ['b', u1]], 1],
  ['sequence: a first event does not begin the time anew', {
    ...aThenB, ...byUser
  }, [['a', u1], 6000, ['a', u1], 6000, ['b', u1]], 0],
  ['sequence: groups do not mix', { ...aThenB, ...byUser }, [['a', u1], ['b', u2]], 0],
  ['sequence: groups side by side', {
    ...aThenB, ...byUser
  }, [['a', u1], ['a', u2], ['b', u2], ['b', u1]], 2],
  ['sequence: an event without the field is in no group', {
    ...aThenB, ...byUser
  }, [['a', u1], ['b'], ['a'], ['b']], 0],
  ['sequence: wildcards', { ...aThenB, events: [{ topic: 'a.*' }, { topic: '*.b' }] }, [['a.x'], ['x.b']], 1],
  ['sequence: filters', {
    ...aThenB, events: [{ topic: 'a', filter: { 'x.y': 1 } }, { topic: 'b' }]
  }, [['a', { x: { y: 2 } }], ['b'], ['a', { x: { y: 1 } }], ['b']], 1],
  ['strict: an event of the pattern at the wrong place ends it', {
    ...aThenB, events: [{ topic: 'a' }, { topic: 'b' }, { topic: 'c' }], strict: true
  }, [['a'], ['c'], ['b'], ['c']], 0],
  ['strict: other topics do not', { ...aThenB, strict: true }, [['a'], ['x'], ['b']], 1],
  ['strict: other groups do not', {
    ...aThenB, ...byUser, strict: true
  }, [['a', u1], ['b', u2], ['b', u1]], 1],
  ['strict: what ends one may begin the next', {
    ...aThenB, strict: true, ...byUser
  }, [['a', u1], ['a', u1], ['b', u1]], 1],
  ['strict: an event that its filter refuses ends it', {
    ...aThenB, events: [{ topic: 'a' }, { topic: 'b', filter: { ok: true } }], strict: true
  }, [['a'], ['b', { ok: false }], ['b', { ok: true }]], 0],

  ['absence: nothing came', {
    type: 'absence', after: { topic: 'a' }, expected: { topic: 'b' }, within: '10s'
  }, [['a'], 10_000], 1],
  ['absence: not before the time is over', {
    type: 'absence', after: { topic: 'a' }, expected: { topic: 'b' }, within: '10s'
  }, [['a'], 9999], 0],
  ['absence: it came', {
    type: 'absence', after: { topic: 'a' }, expected: { topic: 'b' }, within: '10s'
  }, [['a'], 9999, ['b'], 20_000], 0],
  ['absence: one is awaited at a time, from the first', {
    type: 'absence', after: { topic: 'a' }, expected: { topic: 'b' }, within: '10s'
  }, [['a'], 5000, ['a'], 5000], 1],
  ['absence: once, and then not again', {
    type: 'absence', after: { topic: 'a' }, expected: { topic: 'b' }, within: '10s'
  }, [['a'], 100_000], 1],
  ['absence: for each group', {
    type: 'absence', after: { topic: 'a' }, expected: { topic: 'b' }, within: '10s', ...byUser
  }, [['a', u1], ['a', u2], ['b', u1], 10_000], 1],
  ['absence: the same event expected again and again', {
    type: 'absence', after: { topic: 'beat' }, expected: { topic: 'beat' }, within: '10s'
  }, [['beat'], 9000, ['beat'], 9000, ['beat'], 10_000], 1],
  ['absence: of an event with a filter', {
    type: 'absence', after: { topic: 'a' }, expected: { topic: 'b', filter: { ok: true } }, within: '10s'
  }, [['a'], ['b', { ok: false }], 10_000], 1],

  ['count, side by side: enough in a window, told at its end', {
    type: 'count', event: { topic: 'a' }, threshold: 3, window: '1m'
  }, [['a'], ['a'], ['a'], 59_999], 0],
  ['count, side by side: enough in a window', {
    type: 'count', event: { topic: 'a' }, threshold: 3, window: '1m'
  }, [['a'], ['a'], ['a'], ['a'], 60_000], 1],
  ['count, side by side: too few in each', {
    type: 'count', event: { topic: 'a' }, threshold: 3, window: '1m'
  }, [30_000, ['a'], ['a'], 30_000, ['a'], 60_000], 0],
  ['count, side by side: at most, in windows that saw any', {
    type: 'count', event: { topic: 'a' }, threshold: 1, comparison: 'lte', window: '1m'
  }, [300_000, ['a'], 60_000, ['a'], ['a'], 60_000], 1],
  ['count, side by side: exactly', {
    type: 'count', event: { topic: 'a' }, threshold: 2, comparison: 'eq', window: '1m'
  }, [['a'], ['a'], 60_000, ['a'], ['a'], ['a'], 60_000], 1],
  ['count, side by side: for each group', {
    type: 'count', event: { topic: 'a' }, threshold: 2, window: '1m', ...byUser
  }, [['a', u1], ['a', u2], ['a'], ['a'], ['a', u1], 60_000], 1],
  ['count, side by side: a wildcard counts', {
    type: 'count', event: { topic: 'a.*' }, threshold: 2, window: '1m'
  }, [['a.x'], ['a.y'], 60_000], 1],
  ['count, sliding: on each event while there are enough', {
    type: 'count', event: { topic: 'a' }, threshold: 3, window: '1m', sliding: true
  }, [['a'], ['a'], ['a'], ['a']], 2],
  ['count, sliding: back from the event', {
    type: 'count', event: { topic: 'a' }, threshold: 3, window: '1m', sliding: true
  }, [['a'], 30_000, ['a'], 30_000, ['a'], 1, ['a']], 2],
  ['count, sliding: what is older does not count', {
    type: 'count', event: { topic: 'a' }, threshold: 3, window: '1m', sliding: true
  }, [['a'], 30_000, ['a'], 30_001, ['a']], 0],
  ['count, sliding: for each group', {
    type: 'count', event: { topic: 'a' }, threshold: 2, window: '1m', sliding: true, ...byUser
  }, [['a', u1], ['a', u2], ['a', u2]], 1],

  ['aggregate: sum, looking back unless told otherwise', {
    type: 'aggregate', event: { topic: 'a' }, field: 'n', function: 'sum', threshold: 10, window: '1m'
  }, [['a', { n: 6 }], ['a', { n: 4 }]], 1],
  ['aggregate: what is no number does not count', {
    type: 'aggregate',
    event: {
      topic: 'a'
    },
    field: 'n',
    function: 'min',
    threshold: 5,
    comparison: 'lte',
    window: '1m'
  }, [['a', { n: '1' }], ['a'], ['a', { n: null }], ['a', { n: NaN }]], 0],
  ['aggregate: min', {
    type: 'aggregate',
    event: {
      topic: 'a'
    },
    field: 'n',
    function: 'min',
    threshold: 5,
    comparison: 'lte',
    window: '1m'
  }, [['a', { n: 5 }], 30_000, ['a', { n: 9 }], 40_000, ['a', { n: 9 }]], 2],
  ['aggregate: max', {
    type: 'aggregate', event: { topic: 'a' }, field: 'n', function: 'max', threshold: 5, window: '1m'
  }, [['a', { n: 5 }], 30_000, ['a', { n: 1 }], 40_000, ['a', { n: 1 }]], 2],
  ['aggregate: avg', {
    type: 'aggregate',
    event: {
      topic: 'a'
    },
    field: 'n',
    function: 'avg',
    threshold: 3,
    comparison: 'eq',
    window: '1m'
  }, [['a', { n: 2 }], ['a', { n: 4 }], ['a', { n: 5 }]], 1],
  ['aggregate: count counts events', {
    type: 'aggregate', event: { topic: 'a' }, field: 'n', function: 'count', threshold: 2, window: '1m'
  }, [['a'], ['a']], 1],
  ['aggregate: the sum of what is left is exact', {
    type: 'aggregate', event: { topic: 'a' }, field: 'n', function: 'sum', threshold: 0.3, window: '1m'
  }, [['a', { n: 1e16 }], 40_000, ['a', { n: 0.1 }], 30_000, ['a', { n: 0.2 }]], 3],
  ['aggregate, side by side: at the end of the window', {
    type: 'aggregate',
    event: {
      topic: 'a'
    },
    field: 'n',
    function: 'sum',
    threshold: 10,
    window: '1m',
    sliding: false
  }, [['a', { n: 6 }], ['a', { n: 4 }], 59_999], 0],
  ['aggregate, side by side: in each window for itself', {
    type: 'aggregate',
    event: {
      topic: 'a'
    },
    field: 'n',
    function: 'sum',
    threshold: 10,
    window: '1m',
    sliding: false
  }, [['a', { n: 6 }], 60_000, ['a', { n: 4 }], ['a', { n: 7 }], 60_000], 1]
]

for (const [name, pattern, steps, count] of rows) {
  t.test(name, async t => {
    const { take, engine, errors } = await watch(t, pattern)
    t.equal(await take(steps), count)
    t.same(errors, [])
    t.equal(engine.getStats().timersCount, 0, 'no timer is to be seen')
  })
}

t.test('a rule that fires sees', async t => {
  t.test('the events of a sequence, by number and by name, and what ties the first together', async t => {
    const clock = new FakeClock()
    const { engine } = await startEngine(t, { clock })
    const fired = recordEvents(engine, 'fired')
    engine.registerRule(temporal(
      {
        type: 'sequence',
        events: [
          { topic: 'a', as: 'start' }, { topic: 'b', as: 'end' }
        ],
        within: '1m',
        groupBy: 'user'
      },
      {
        actions: [{
          type: 'emit_event',
          topic: 'fired',
          data: {
            all: [
              'trigger.groupKey', 'trigger.count', 'trigger.events.1.n', 'matched.0.n', 'matched.1.n',
              'matched.start.n', 'matched.end.n', 'meta.topic'
            ].map(ref => ({ ref }))
          }
        }]
      }
    ))
    await engine.emitCorrelated('a', { user: 7, n: 1 }, 'corr')
    const last = await engine.emitCorrelated('b', { user: 7, n: 2 }, 'other')
    t.match(
      fired, [{ data: { all: ['7', 2, 2, 1, 2, 1, 2, 'b'] }, correlationId: 'corr', causationId: last.id }]
    )
  })

  t.test('the event of an absence', async t => {
    const { take, fired, shown } = await watch(
      t, { type: 'absence', after: { topic: 'a' }, expected: { topic: 'b' }, within: '10s', ...byUser }
    )
    await take([['a', { user: 1, n: 5 }], 10_000])
    t.same(shown(), [{ groupKey: '1', after: { user: 1, n: 5 }, events: [{ user: 1, n: 5 }] }])
    t.match(fired, [{ data: { first: { n: 5 } }, causationId: String }])
  })

  t.test('the count, the figure, and the first hundred events of a window', async t => {
    for (const sliding of [true, false]) {
      const { take, shown } = await watch(t, {
        type: 'aggregate',
        event: {
          topic: 'a'
        },
        field: 'n',
        function: 'sum',
        threshold: 150,
        window: '1m',
        sliding,
        ...byUser
      })
      await take([...Array.from({ length: 150 }, (): Step => ['a', { user: 'u', n: 1 }]), 60_000])
      t.match(shown(), [{ groupKey: 'u', count: 150, value: 150 }])
      t.equal((shown()[0]?.['events'] as unknown[]).length, 100)
    }
  })

  t.test('no group where there are none', async t => {
    const { take, shown } = await watch(t, aThenB)
    await take([['a'], ['b']])
    t.notOk('groupKey' in shown()[0]!)
  })
})

t.test('rules that an event fires run among the rules that it triggers, by priority', async t => {
  const { engine } = await startEngine(t)
  const order: string[] = []
  engine.subscribe('ran.*', ({ topic }) => { order.push(topic.slice(4)) })
  const add = (id: string, priority: number, input: Partial<RuleInput>): void => {
    engine.registerRule({
      ...rule({
        id,
        priority,
        trigger: {
          type: 'event', topic: 'b'
        },
        actions: [{ type: 'emit_event', topic: `ran.${id}`, data: {} }]
      }),
      ...input
    })
  }
  const trigger = { type: 'temporal' as const, pattern: aThenB }
  add('low', 0, {})
  add('fired', 5, { trigger })
  add('high', 9, {})
  add('fired later', 0, {
    trigger,
    conditions: [
      { source: { type: 'event', field: 'count' }, operator: 'eq', value: 2 }
    ],
    actions: [{ type: 'emit_event', topic: 'ran.conditions', data: {} }]
  })
  await engine.emit('a')
  await engine.emit('b')
  t.same(order, ['high', 'fired', 'low', 'conditions'])
})

t.test('events of rules count too, within the depth of their chain', async t => {
  const { engine, take } = await watch(
    t,
    { type: 'count', event: { topic: 'fired' }, threshold: 1, window: '1m', sliding: true },
    { maxForwardDepth: 3 }
  )
  t.equal(await take([['fired']]), 4)
  t.match(engine.getStats(), { rulesExecuted: 3 })
})
