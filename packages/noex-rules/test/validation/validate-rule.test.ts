import t from 'tap'
import { RuleInputValidator } from '../../src/validation/rule-input-validator.js'
import { minimal, pathsOf, validateWith } from '../support/rule-fixture.js'

const validator = new RuleInputValidator()

const full = {
  id: 'stock-low',
  name: 'Low stock',
  description: 'Tells when little is left.',
  priority: -5,
  enabled: false,
  tags: ['stock', 'mail'],
  group: 'warehouse',
  trigger: { type: 'fact', pattern: 'stock:*' },
  conditions: [{ source: { type: 'event', field: 'value' }, operator: 'lt', value: 5 }],
  actions: [{ type: 'emit_event', topic: 'stock.low', data: { key: { ref: 'event.key' } } }],
  lookups: [{
    name: 'owner',
    service: 'users',
    method: 'ownerOf',
    args: [{ ref: 'event.key' }],
    cache: {
      ttl: '5m'
    },
    onError: 'fail'
  }]
}

t.test('a rule is valid', async t => {
  t.same(
    validator.validate(minimal), { valid: true, errors: [], warnings: [] }, 'with an id, a name and a trigger'
  )
  t.same(validator.validate(full), { valid: true, errors: [], warnings: [] }, 'with all it can have')
  t.equal(
    validateWith({ unknown: () => 1, version: 'x', createdAt: {} }).valid,
    true,
    'with members that are none of its own'
  )
  t.equal(
    validateWith(Object.fromEntries(Object.keys(full).filter(name => !(name in minimal))
      .map(name => [name, undefined]))).valid, true, 'with undefined members'
  )
  t.equal(validator.validate(Object.assign(Object.create(null), minimal)).valid, true, 'without a prototype')
})

t.test('what is no plain object is no rule', async t => {
  class Rule { id = 'r'; name = 'R'; trigger = minimal.trigger }
  for (const value of [undefined, null, 1, 'rule', true, [], [
    minimal
  ], () => minimal, Symbol('rule'), 1n, new Rule(), new Date(), new Map(), Object.create(minimal)]) {
    const { valid, errors, warnings } = validator.validate(value)
    t.match({ valid, errors, warnings }, {
      valid: false, errors: [{ path: '(root)', severity: 'error' }], warnings: []
    })
    t.equal(errors.length, 1)
  }
})

const table: ReadonlyArray<
  readonly [title: string, members: Record<string, unknown>, paths: readonly string[]]
> = [
  ['no id', { id: undefined }, ['id']],
  ['an id that is no string', { id: 5 }, ['id']],
  ['a blank id', { id: ' \t' }, ['id']],
  ['an id of 513 characters', { id: 'x'.repeat(513) }, ['id']],
  ['no name', { name: undefined }, ['name']],
  ['a name that is no string', { name: ['R'] }, ['name']],
  ['a name that is null', { name: null }, ['name']],
  ['a blank name', { name: '' }, ['name']],
  ['a name of 513 characters', { name: 'x'.repeat(513) }, ['name']],
  ['a description that is no string', { description: 5 }, ['description']],
  ['a description of 4097 characters', { description: 'x'.repeat(4097) }, ['description']],
  ['enabled that is no boolean', { enabled: 'yes' }, ['enabled']],
  ['enabled that is null', { enabled: null }, ['enabled']],
  ['tags that are no array', { tags: 'a' }, ['tags']],
  ['tags that are no strings', { tags: ['a', 5, null] }, ['tags[1]', 'tags[2]']],
  ['a blank tag', { tags: [' '] }, ['tags[0]']],
  ['33 tags', { tags: Array(33).fill('a') }, ['tags']],
  ['a group that is no string', { group: 5 }, ['group']],
  ['a blank group', { group: '' }, ['group']],
  ['a priority that is no number', { priority: '5' }, ['priority']],
  ['a priority that is not finite', { priority: Infinity }, ['priority']],
  ['a priority that is NaN', { priority: NaN }, ['priority']],
  ['a priority that is not whole', { priority: 1.5 }, ['?priority']],
  ['no trigger', { trigger: undefined }, ['trigger']],
  ['a trigger that is no object', { trigger: 'event' }, ['trigger']],
  ['a trigger that is an array', { trigger: [] }, ['trigger']],
  ['a trigger without a type', { trigger: { topic: 'a' } }, ['trigger.type']],
  ['a trigger whose type is no string', { trigger: { type: 5, topic: 'a' } }, ['trigger.type']],
  ['a trigger of an unknown type', { trigger: { type: 'cron', topic: 'a' } }, ['trigger.type']],
  ['a trigger of a type that every object has', { trigger: { type: 'constructor' } }, ['trigger.type']],
  ['a trigger without a topic', { trigger: { type: 'event' } }, ['trigger.topic']],
  ['a topic that is no string', { trigger: { type: 'event', topic: 5 } }, ['trigger.topic']],
  ['a blank topic', { trigger: { type: 'event', topic: ' ' } }, ['trigger.topic']],
  ['a topic that is no pattern', { trigger: { type: 'event', topic: '*'.repeat(9) } }, ['trigger.topic']],
  ['a topic of 33 segments', {
    trigger: { type: 'event', topic: Array(33).fill('a').join('.') }
  }, ['trigger.topic']],
  ['a fact trigger without a pattern', { trigger: { type: 'fact', topic: 'a' } }, ['trigger.pattern']],
  ['a pattern that is no string', { trigger: { type: 'fact', pattern: {} } }, ['trigger.pattern']],
  ['a blank pattern', { trigger: { type: 'fact', pattern: '' } }, ['trigger.pattern']],
  ['a pattern that is none', { trigger: { type: 'fact', pattern: 'a*'.repeat(9) } }, ['trigger.pattern']],
  ['a timer trigger without a name', { trigger: { type: 'timer' } }, ['trigger.name']],
  ['a timer that is no string', { trigger: { type: 'timer', name: null } }, ['trigger.name']],
  ['a blank timer', { trigger: { type: 'timer', name: '' } }, ['trigger.name']],
  ['a timer of 513 characters', { trigger: { type: 'timer', name: 'x'.repeat(513) } }, ['trigger.name']],
  ['conditions that are no array', { conditions: {} }, ['conditions']],
  ['conditions that are null', { conditions: null }, ['conditions']],
  ['actions that are no array', { actions: 'log' }, ['actions']],
  ['actions that are empty', { actions: [] }, ['?actions']],
  ['lookups that are no array', { lookups: {} }, ['lookups']],
  ['a lookup that is no object', { lookups: ['a'] }, ['lookups[0]']],
  ['an empty lookup', { lookups: [{}] }, ['lookups[0].name', 'lookups[0].service', 'lookups[0].method']],
  ['a blank lookup', {
    lookups: [{ name: '', service: ' ', method: '' }]
  }, ['lookups[0].name', 'lookups[0].service', 'lookups[0].method']],
  ['two lookups of one name', {
    lookups: [{ name: 'a', service: 's', method: 'm' }, { name: 'a', service: 's', method: 'm' }]
  }, ['lookups[1].name']],
  ['a lookup that cannot be referred to', {
    lookups: [{ name: 'a.b', service: 's', method: 'm' }]
  }, ['lookups[0].name']],
  ['a lookup named __proto__', {
    lookups: [{ name: '__proto__', service: 's', method: 'm' }]
  }, ['lookups[0].name']],
  ['arguments that are no array', {
    lookups: [{ name: 'a', service: 's', method: 'm', args: {} }]
  }, ['lookups[0].args']],
  ['an argument that refers to nothing', {
    lookups: [{ name: 'a', service: 's', method: 'm', args: [1, { ref: 'x' }] }]
  }, ['lookups[0].args[1]']],
  ['a cache that is no object', {
    lookups: [{ name: 'a', service: 's', method: 'm', cache: 5 }]
  }, ['lookups[0].cache']],
  ['a cache without a time', {
    lookups: [{ name: 'a', service: 's', method: 'm', cache: {} }]
  }, ['lookups[0].cache.ttl']],
  ['a cache for no time', {
    lookups: [{ name: 'a', service: 's', method: 'm', cache: { ttl: 0 } }]
  }, ['lookups[0].cache.ttl']],
  ['a cache for a time that is none', {
    lookups: [{ name: 'a', service: 's', method: 'm', cache: { ttl: 'soon' } }]
  }, ['lookups[0].cache.ttl']],
  ['an onError that is none', {
    lookups: [{ name: 'a', service: 's', method: 'm', onError: 'ignore' }]
  }, ['lookups[0].onError']],
  ['33 lookups', {
    lookups: Array.from({ length: 33 }, (_, index) => ({ name: `a${index}`, service: 's', method: 'm' }))
  }, ['lookups']],
  ['several things wrong', { id: '', priority: 'x', trigger: {} }, ['id', 'priority', 'trigger.type']]
]

t.test('a rule has issues', async t => {
  for (const [title, members, paths] of table) {
    t.test(`with ${title}`, async t => {
      const result = validateWith(members)
      t.same(pathsOf(result), paths)
      t.equal(result.valid, result.errors.length === 0)
      for (const issue of result.errors) t.match(issue, { severity: 'error', message: /\S/ })
      for (const issue of result.warnings) t.match(issue, { severity: 'warning', message: /\S/ })
    })
  }
})

t.test('a reference to an alias or a lookup that the rule does not have is a warning', async t => {
  const sequence = { type: 'sequence', events: [{ topic: 'a', as: 'first' }, { topic: 'b' }], within: '1m' }
  const lookups = [{ name: 'user', service: 's', method: 'm', args: [{ ref: 'matched.other.id' }] }]
  const log = (message: string): object => ({ type: 'log', level: 'info', message })
  const say = (message: string): Record<string, unknown> => ({ actions: [log(message)] })
  const set = (key: string, value: unknown): Record<string, unknown> => ({
    actions: [{ type: 'set_fact', key, value }]
  })
  const ask = (source: object, operator: string, value?: unknown): Record<string, unknown> => ({
    ...say('m'), conditions: [{ source, operator, value }]
  })
  const rows: ReadonlyArray<readonly [members: Record<string, unknown>, warnings: readonly string[]]> = [
    [say('${matched.0.id} ${matched.first.id} ${matched.1}'), []],
    [say('${matched.last.id}'), ['actions[0].message']],
    [say('${fact.user:${matched.last.id}:tier}'), ['actions[0].message']],
    [say('${lookup.user.name}'), ['actions[0].message']],
    [{ ...say('${lookup.user.name}'), lookups }, ['lookups[0].args[0]']],
    [set('${matched.last}', [{ ref: 'lookup.user' }]), ['actions[0].key', 'actions[0].value[0]']],
    [set('k', '${matched.last}'), []],
    [ask({ type: 'lookup', name: 'user' }, 'exists'), ['conditions[0].source.name']],
    [ask({ type: 'fact', pattern: '${matched.last}:*' }, 'exists'), ['conditions[0].source.pattern']],
    [ask({ type: 'event', field: 'x' }, 'eq', { ref: 'matched.first.x' }), []]
  ]
  for (const [members, paths] of rows) {
    const result = validateWith({ trigger: { type: 'temporal', pattern: sequence }, ...members })
    t.same(pathsOf(result), paths.map(path => `?${path}`), JSON.stringify(members))
    t.ok(result.valid)
  }
  const message = 'refers to matched.first, but the rule has no such alias'
  t.match(validateWith(say('${matched.first.x}')), { warnings: [{ message }] })
})
