import t from 'tap'
import { nest, pathsOf, validateWith } from '../support/rule-fixture.js'

const log = { type: 'log', level: 'info', message: 'id ${event.id}' }
const onExpire = { topic: 'late.${event.id}', data: { id: { ref: 'event.id' } } }
const condition = { source: { type: 'event', field: 'x' }, operator: 'exists' }
const timer = (members: object) =>
  ({ type: 'set_timer', timer: { name: 't', duration: 5, onExpire, ...members } })

const table: ReadonlyArray<readonly [action: unknown, paths: readonly string[]]> = [
  [null, ['']],
  ['log', ['']],
  [[], ['']],
  [{}, ['.type']],
  [{ type: 5 }, ['.type']],
  [{ type: 'other' }, ['.type']],
  [{ type: 'valueOf' }, ['.type']],

  [{ type: 'set_fact', key: 'a:${event.id}', value: 1 }, []],
  [{ type: 'set_fact', key: 'a', value: null }, []],
  [{ type: 'set_fact', key: 'a', value: { deep: [{ ref: 'event.x' }] } }, []],
  [{ type: 'set_fact' }, ['.key', '.value']],
  [{ type: 'set_fact', key: 5, value: undefined }, ['.key', '.value']],
  [{ type: 'set_fact', key: ' ', value: 1 }, ['.key']],
  [{ type: 'set_fact', key: 'x'.repeat(4097), value: 1 }, ['.key']],
  [{ type: 'set_fact', key: '${x}', value: 1 }, ['.key']],
  [{ type: 'set_fact', key: '${fact.'.repeat(9) + 'x' + '}'.repeat(9), value: 1 }, ['.key']],
  [{ type: 'set_fact', key: '${unclosed', value: 1 }, []],
  [{ type: 'set_fact', key: 'a', value: { ref: 'x' } }, ['.value']],
  [{ type: 'set_fact', key: 'a', value: { deep: [{ ref: 'x' }] } }, ['.value.deep[0]']],
  [{ type: 'set_fact', key: 'a', value: { ref: 'event.${event.id}' } }, ['.value']],
  [{ type: 'set_fact', key: 'a', value: { ref: 'x', other: 1 } }, []],
  [{ type: 'set_fact', key: 'a', value: new Date() }, ['.value']],
  [{
    type: 'set_fact', key: 'a', value: { at: new Map(), n: NaN, big: 1n }
  }, ['.value.at', '.value.n', '.value.big']],

  [{ type: 'delete_fact', key: 'a' }, []],
  [{ type: 'delete_fact' }, ['.key']],
  [{ type: 'delete_fact', key: '' }, ['.key']],

  [{ type: 'emit_event', topic: 'a.${event.id}', data: { id: { ref: 'event.id' } } }, []],
  [{ type: 'emit_event', topic: 'a', data: {} }, []],
  [{ type: 'emit_event' }, ['.topic', '.data']],
  [{ type: 'emit_event', topic: 'a' }, ['.data']],
  [{ type: 'emit_event', topic: '', data: [] }, ['.topic', '.data']],
  [{ type: 'emit_event', topic: 'a', data: null }, ['.data']],
  [{ type: 'emit_event', topic: '${other.x}', data: { id: { ref: 'other.x' } } }, ['.topic', '.data.id']],

  [timer({}), []],
  [timer({ duration: '5m', repeat: { interval: '1s' } }), []],
  [timer({ duration: '250', repeat: { interval: 5, maxCount: 3 } }), []],
  [{ type: 'set_timer' }, ['.timer']],
  [{ type: 'set_timer', timer: 't' }, ['.timer']],
  [{ type: 'set_timer', timer: {} }, ['.timer.name', '.timer.duration', '.timer.onExpire']],
  [timer({ name: '' }), ['.timer.name']],
  [timer({ name: '${x}' }), ['.timer.name']],
  [timer({ duration: undefined }), ['.timer.duration']],
  [timer({ duration: 0 }), ['.timer.duration']],
  [timer({ duration: -5 }), ['.timer.duration']],
  [timer({ duration: Infinity }), ['.timer.duration']],
  [timer({ duration: '0s' }), ['.timer.duration']],
  [timer({ duration: '5 minutes' }), ['.timer.duration']],
  [timer({ duration: true }), ['.timer.duration']],
  [timer({ duration: '999999999999999y' }), ['.timer.duration']],
  [timer({ onExpire: 'a' }), ['.timer.onExpire']],
  [timer({ onExpire: {} }), ['.timer.onExpire.topic', '.timer.onExpire.data']],
  [timer({ onExpire: { topic: 5, data: [] } }), ['.timer.onExpire.topic', '.timer.onExpire.data']],
  [timer({ onExpire: { topic: 'a', data: { x: { ref: 'x' } } } }), ['.timer.onExpire.data.x']],
  [timer({ repeat: 5 }), ['.timer.repeat']],
  [timer({ repeat: {} }), ['.timer.repeat.interval']],
  [timer({ repeat: { interval: 0, maxCount: 0 } }), ['.timer.repeat.interval', '.timer.repeat.maxCount']],
  [timer({ repeat: { interval: 1, maxCount: 1.5 } }), ['.timer.repeat.maxCount']],
  [timer({ repeat: { interval: 1, maxCount: '2' } }), ['.timer.repeat.maxCount']],

  [{ type: 'cancel_timer', name: 't:${event.id}' }, []],
  [{ type: 'cancel_timer' }, ['.name']],
  [{ type: 'cancel_timer', name: 5 }, ['.name']],

  [{ type: 'call_service', service: 's', method: 'm' }, []],
  [{ type: 'call_service', service: 's', method: 'm', args: [1, { ref: 'event' }] }, []],
  [{ type: 'call_service' }, ['.service', '.method']],
  [{ type: 'call_service', service: '', method: 5, args: {} }, ['.service', '.method', '.args']],
  [{
    type: 'call_service', service: 's', method: 'm', args: [{ ref: 'x' }, [{ ref: 'y' }]]
  }, ['.args[0]', '.args[1][0]']],

  [log, []],
  [{ type: 'log', level: 'debug', message: '' }, []],
  [{ type: 'log' }, ['.level', '.message']],
  [{ type: 'log', level: 'fatal', message: 5 }, ['.level', '.message']],
  [{ type: 'log', level: 'warn', message: 'x'.repeat(4097) }, ['.message']],
  [{ type: 'log', level: 'error', message: '${x}' }, ['.message']],

  [{ type: 'conditional', conditions: [condition], then: [log] }, []],
  [{ type: 'conditional', conditions: [condition], then: [log], else: [log] }, []],
  [{ type: 'conditional' }, ['.conditions', '.then']],
  [{ type: 'conditional', conditions: [], then: [] }, ['.conditions', '.then']],
  [{ type: 'conditional', conditions: {}, then: {}, else: {} }, ['.conditions', '.then', '.else']],
  [{
    type: 'conditional', conditions: [{}], then: [{}], else: []
  }, ['.conditions[0].source', '.conditions[0].operator', '.then[0].type', '?.else']],
  [{ type: 'conditional', conditions: [condition], then: [log], else: [5] }, ['.else[0]']],

  [{ type: 'for_each', collection: [1, 2], as: 'item', actions: [log] }, []],
  [{ type: 'for_each', collection: { ref: 'event.list' }, as: 'item', actions: [log], maxIterations: 5 }, []],
  [{ type: 'for_each' }, ['.collection', '.as', '.actions']],
  [{ type: 'for_each', collection: 'abc', as: 5, actions: {} }, ['.collection', '.as', '.actions']],
  [{
    type: 'for_each', collection: { ref: 'x' }, as: ' ', actions: [{}]
  }, ['.collection', '.as', '.actions[0].type']],
  [{
    type: 'for_each', collection: [{ ref: 'x' }], as: 'item', actions: []
  }, ['.collection[0]', '?.actions']],
  [{ type: 'for_each', collection: { length: 1 }, as: 'item', actions: [log] }, ['.collection']],
  [{ type: 'for_each', collection: [], as: '__proto__', actions: [log] }, ['.as']],
  [{ type: 'for_each', collection: [], as: 'a.b', actions: [log] }, ['.as']],
  [{ type: 'for_each', collection: [], as: 'a}', actions: [log] }, ['.as']],
  [{ type: 'for_each', collection: [], as: 'x'.repeat(129), actions: [log] }, ['.as']],
  [{ type: 'for_each', collection: [], as: 'item', actions: [log], maxIterations: 0 }, ['.maxIterations']],
  [{ type: 'for_each', collection: [], as: 'item', actions: [log], maxIterations: '5' }, ['.maxIterations']],

  [{ type: 'try_catch', try: [log], catch: { actions: [log] } }, []],
  [{ type: 'try_catch', try: [log], catch: { as: 'error', actions: [log] }, finally: [log] }, []],
  [{ type: 'try_catch', try: [log], finally: [log] }, []],
  [{ type: 'try_catch' }, ['.try', '']],
  [{ type: 'try_catch', try: [log] }, ['']],
  [{ type: 'try_catch', try: [], catch: {} }, ['.try', '.catch.actions']],
  [{
    type: 'try_catch', try: [{}], catch: { as: '', actions: [] }, finally: []
  }, ['.try[0].type', '.catch.as', '.catch.actions', '?.finally']],
  [{ type: 'try_catch', try: {}, catch: [], finally: {} }, ['.try', '.catch', '.finally']],
  [{
    type: 'try_catch', try: [log], catch: { as: '__proto__', actions: [{ type: 'log' }] }
  }, ['.catch.as', '.catch.actions[0].level', '.catch.actions[0].message']],
  [{ type: 'try_catch', try: [log], finally: [5] }, ['.finally[0]']]
]

t.test('an action', async t => {
  for (const [action, paths] of table) {
    const expected = paths.map(path => path.startsWith('?')
      ? `?actions[0]${path.slice(1)}`
      : `actions[0]${path}`)
    t.same(
      pathsOf(validateWith({ actions: [action] })),
      expected,
      JSON.stringify(action, (_, value) => typeof value === 'bigint' ? `${value}` : value).slice(0, 100)
    )
  }
})

t.test('an issue has its whole path', async t => {
  const actions = [log, {
    type: 'for_each',
    collection: [
      1
    ],
    as: 'a',
    actions: [{ type: 'try_catch', try: [timer({ onExpire: {} })], finally: [log] }]
  }]
  t.same(pathsOf(validateWith({ actions })), [
    'actions[1].actions[0].try[0].timer.onExpire.topic',
    'actions[1].actions[0].try[0].timer.onExpire.data'
  ])
})

t.test('a rule has at most 256 actions, those within others included', async t => {
  t.same(pathsOf(validateWith({ actions: Array(256).fill(log) })), [])
  t.same(pathsOf(validateWith({ actions: Array(257).fill(log) })), ['actions'])
  const loop = { type: 'for_each', collection: [1], as: 'a', actions: Array(100).fill(log) }
  t.same(pathsOf(validateWith({ actions: [loop, loop, ...Array(54).fill(log)] })), [])
  t.same(pathsOf(validateWith({ actions: [loop, loop, ...Array(55).fill(log)] })), ['actions[1].actions'])
})

t.test('actions are nested at most 16 levels deep', async t => {
  const wraps = [
    (inner: unknown) => ({ type: 'conditional', conditions: [condition], then: [inner] }),
    (inner: unknown) => ({ type: 'conditional', conditions: [condition], then: [log], else: [inner] }),
    (inner: unknown) => ({ type: 'for_each', collection: [1], as: 'a', actions: [inner] }),
    (inner: unknown) => ({ type: 'try_catch', try: [inner], finally: [log] }),
    (inner: unknown) => ({ type: 'try_catch', try: [log], catch: { actions: [inner] } }),
    (inner: unknown) => ({ type: 'try_catch', try: [log], finally: [inner] })
  ]
  for (const wrap of wraps) {
    t.equal(validateWith({ actions: [nest(15, log, wrap)] }).valid, true)
    const { errors } = validateWith({ actions: [nest(16, log, wrap)] })
    t.ok(errors.length > 0 && errors.every(({ message }) => message.includes('16 levels')))
  }
})
