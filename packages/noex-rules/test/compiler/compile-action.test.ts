import t from 'tap'
import type { Action } from '../../src/action.js'
import { compileActions, compileArguments } from '../../src/compiler/compile-action.js'
import type { CompiledAction } from '../../src/compiler/compiled-rule.js'
import type { Scope } from '../../src/expressions/scope.js'
import { scopeOf } from '../support/scope-fixture.js'

const scope = scopeOf({
  data: { id: 7, list: [1, 2], object: { x: 1 } }, facts: { 'tier:7': 'gold' }, variables: { name: 'Ann' }
})
const hasId = { source: { type: 'event', field: 'id' }, operator: 'exists' } as const
const log: Action = { type: 'log', level: 'info', message: 'id ${event.id}' }

const table: ReadonlyArray<readonly [action: Action, resolved: object]> = [
  [{
    type: 'set_fact', key: 'user:${event.id}', value: { ref: 'event.object' }
  }, { type: 'set_fact', key: 'user:7', value: { x: 1 } }],
  [{
    type: 'set_fact', key: 'k', value: 'of ${event.id}'
  }, { type: 'set_fact', key: 'k', value: 'of ${event.id}' }],
  [{ type: 'set_fact', key: 'k', value: null }, { type: 'set_fact', key: 'k', value: null }],
  [{ type: 'delete_fact', key: '${fact.tier:${event.id}}' }, { type: 'delete_fact', key: 'gold' }],
  [
    {
      type: 'emit_event',
      topic: 'done.${event.id}',
      data: {
        id: { ref: 'event.id' }, deep: [{ name: { ref: 'var.name' } }], text: '${event.id}'
      }
    },
    { type: 'emit_event', topic: 'done.7', data: { id: 7, deep: [{ name: 'Ann' }], text: '${event.id}' } }
  ],
  [{ type: 'emit_event', topic: 'done' } as never, { type: 'emit_event', topic: 'done', data: {} }],
  [{
    type: 'emit_event', topic: 'done', data: { ref: 'event.object' }
  }, { type: 'emit_event', topic: 'done', data: { x: 1 } }],
  [
    {
      type: 'set_timer',
      timer: {
        name: 't:${event.id}',
        duration: '5m',
        onExpire: {
          topic: 'late.${event.id}', data: { id: { ref: 'event.id' } }
        }
      }
    },
    {
      type: 'set_timer', name: 't:7', durationMs: 300_000, topic: 'late.7', data: { id: 7 }, repeat: undefined
    }
  ],
  [
    {
      type: 'set_timer',
      timer: {
        name: 't', duration: 5, onExpire: { topic: 'x', data: {} }, repeat: { interval: '1s' }
      }
    },
    { type: 'set_timer', name: 't', durationMs: 5, topic: 'x', data: {}, repeat: { interval: 1000 } }
  ],
  [
    {
      type: 'set_timer',
      timer: {
        name: 't', duration: '7', onExpire: { topic: 'x', data: {} }, repeat: { interval: 2, maxCount: 3 }
      }
    },
    {
      type: 'set_timer', name: 't', durationMs: 7, topic: 'x', data: {}, repeat: { interval: 2, maxCount: 3 }
    }
  ],
  [{ type: 'cancel_timer', name: 't:${event.id}' }, { type: 'cancel_timer', name: 't:7' }],
  [
    {
      type: 'call_service',
      service: 'mail',
      method: 'send',
      args: [
        { ref: 'event.id' }, '${event.id}', { to: { ref: 'var.name' } }
      ]
    },
    { type: 'call_service', service: 'mail', method: 'send', args: [7, '${event.id}', { to: 'Ann' }] }
  ],
  [{
    type: 'call_service', service: 'mail', method: 'send'
  }, { type: 'call_service', service: 'mail', method: 'send', args: [] }],
  [log, { type: 'log', level: 'info', message: 'id 7' }],
  [
    { type: 'conditional', conditions: [hasId], then: [log] },
    {
      type: 'conditional', conditions: true, then: [{ type: 'log', level: 'info', message: 'id 7' }], else: []
    }
  ],
  [
    {
      type: 'conditional',
      conditions: [
        { ...hasId, operator: 'not_exists' }
      ],
      then: [log],
      else: [{ type: 'delete_fact', key: 'k' }]
    },
    {
      type: 'conditional',
      conditions: false,
      then: [
        { type: 'log', level: 'info', message: 'id 7' }
      ],
      else: [{ type: 'delete_fact', key: 'k' }]
    }
  ],
  [
    { type: 'for_each', collection: { ref: 'event.list' }, as: 'item', actions: [log] },
    {
      type: 'for_each',
      collection: [
        1, 2
      ],
      as: 'item',
      actions: [{ type: 'log', level: 'info', message: 'id 7' }],
      maxIterations: 1000
    }
  ],
  [
    { type: 'for_each', collection: ['a', { ref: 'event.id' }], as: 'item', actions: [], maxIterations: 5 },
    { type: 'for_each', collection: ['a', 7], as: 'item', actions: [], maxIterations: 5 }
  ],
  [
    { type: 'try_catch', try: [log], catch: { as: 'error', actions: [log] } },
    {
      type: 'try_catch',
      try: [{ type: 'log', level: 'info', message: 'id 7' }],
      catch: { as: 'error', actions: [{ type: 'log', level: 'info', message: 'id 7' }] },
      finally: []
    }
  ],
  [{
    type: 'try_catch', try: [], catch: { actions: [] }
  }, { type: 'try_catch', try: [], catch: { as: undefined, actions: [] }, finally: [] }],
  [{ type: 'try_catch', try: [], finally: [log] }, {
    type: 'try_catch', try: [], catch: undefined, finally: [{ type: 'log', level: 'info', message: 'id 7' }]
  }]
]

t.test('an action', async t => {
  for (const [action, resolved] of table) {
    t.test(`${JSON.stringify(action).slice(0, 90)} is compiled`, async t => {
      t.strictSame(
        resolveAction(compileActions([action])[0]!, scope), resolved
      )
    })
  }

  t.test('is not read again', async t => {
    const value = { x: [1] }
    const action: Action = { type: 'set_fact', key: 'a', value }
    const [compiled] = compileActions([action])
    action.key = 'b'
    value.x.push(2)
    t.same(resolveAction(compiled!, scope), { type: 'set_fact', key: 'a', value: { x: [1] } })
  })

  t.test('fails when a reference stands for the data and is no object', async t => {
    for (const ref of ['event.id', 'event.list', 'event.missing']) {
      const [compiled] = compileActions([{ type: 'emit_event', topic: 'a', data: { ref } }])
      t.throws(() => resolveAction(compiled!, scope), { name: 'ResolutionError' })
    }
  })

  t.test('is refused when it refers to nothing', async t => {
    t.throws(
      () => compileActions([{ type: 'delete_fact', key: '${nothing}' }]), { name: 'ReferencePathError' }
    )
    t.throws(() => compileActions([{ type: 'set_fact', key: 'k', value: [{ ref: 'nothing' }] }]), {
      name: 'ReferencePathError'
    })
  })
})

t.test('arguments are resolved to an array of their own each time', async t => {
  const resolve = compileArguments([1])
  t.not(resolve(scope), resolve(scope))
  t.same(compileArguments()(scope), [])
})

/** Resolves all parts of a compiled action. */
function resolveAction (action: CompiledAction, scope: Scope): object {
  return Object.fromEntries(Object.entries(action)
    .map(([name, member]) => [name, resolveMember(member, scope)]))
}

function resolveMember (member: unknown, scope: Scope): unknown {
  if (typeof member === 'function') return member(scope)
  if (Array.isArray(member)) return member.map(action => resolveAction(action as CompiledAction, scope))
  if (typeof member === 'object' && member !== null && 'actions' in member) {
    return resolveAction(member as unknown as CompiledAction, scope)
  }
  return member
}
