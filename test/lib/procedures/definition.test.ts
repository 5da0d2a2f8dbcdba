import t, { type Test } from 'tap'
import { checkDefinition } from '../../../lib/procedures/definition.js'
import { issueText } from '../../../lib/procedures/issues.js'

const limits = { maxSteps: 100, maxConditionDepth: 5 }

const issuesOf = (definition: unknown, within = limits): string[] =>
  checkDefinition(definition, within).issues?.map(issueText) ?? []

/** A valid step of every action, with every member that it may have. */
const steps: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'store.get': { bucket: 'b', key: '{{ input.key }}', as: 'x' },
  'store.where': { bucket: 'b', filter: { n: 1 }, as: 'x' },
  'store.findOne': { bucket: 'b', filter: {}, as: 'x' },
  'store.insert': { bucket: 'b', data: {}, as: 'x' },
  'store.update': { bucket: 'b', key: 'k', data: {}, as: 'x' },
  'store.increment': {
    bucket: 'b', key: 'k', field: 'n', by: 1, expectedVersion: '{{ input.version }}', as: 'x'
  },
  'store.delete': { bucket: 'b', key: 'k' },
  'store.count': { bucket: 'b', filter: {}, as: 'x' },
  aggregate: { source: 's', op: 'sum', field: 'f', as: 'x' },
  compute: { op: 'round', left: '{{ input.a }}', right: 2, as: 'x' },
  'rules.emit': { topic: 't', data: {} },
  'rules.setFact': { key: 'k', value: null },
  'rules.getFact': { key: 'k', as: 'x' },
  if: {
    condition: { ref: 'x', operator: 'eq', value: 1 },
    then: [{ action: 'return', value: 1 }],
    else: [{ action: 'return', value: 2 }]
  },
  transform: { source: 's', operation: 'filter', args: {}, as: 'x' },
  return: { value: null }
}

/** The members that a step may do without. */
const optional: Readonly<Record<string, readonly string[]>> = {
  'store.insert': ['as'],
  'store.update': ['as'],
  'store.increment': ['expectedVersion', 'as'],
  'store.count': ['filter'],
  compute: ['right'],
  'rules.emit': ['data'],
  if: ['else']
}

const wrongText = ['', null, 5, {}, [], true, 'x'.repeat(1_025)]
const wrongOperand = ['', null, {}, [], true, '5', 'a{{ b }}', '{{ a }}{{ b }}']
const wrongObject = [null, 5, 'x', [], true]
const wrong: Readonly<Record<string, readonly unknown[]>> = {
  bucket: wrongText,
  key: wrongText,
  as: wrongText,
  topic: wrongText,
  source: wrongText,
  filter: wrongObject,
  data: wrongObject,
  condition: wrongObject,
  field: wrongText,
  op: ['SUM', '', null, 5, 'median', 'constructor'],
  by: wrongOperand,
  expectedVersion: wrongOperand,
  left: wrongOperand,
  right: wrongOperand,
  operation: ['reduce', '', null, 5, 'toString'],
  then: [null, {}, [], 'x', 5],
  else: [null, {}, [], 'x', 5]
}

const stepOf = (action: string, fields: object = steps[action] ?? {}): object => ({ action, ...fields })
const procedureOf = (...list: unknown[]): object => ({ name: 'p', steps: list })

function without (value: object, name: string): object {
  const { [name]: _, ...rest } = value as Record<string, unknown>
  return rest
}

t.test('every action is accepted with all that it may have, and with no more than it must have', async t => {
  for (const [action, members] of Object.entries(steps)) {
    t.same(issuesOf(procedureOf(stepOf(action))), [], action)
    const needed = (optional[action] ?? []).reduce(without, members as object)
    t.same(issuesOf(procedureOf(stepOf(action, needed))), [], `${action}, bare`)
  }
  t.same(
    issuesOf(procedureOf(stepOf('aggregate', { source: 's', op: 'count', as: 'x' }))),
    [],
    'a count needs no field'
  )
})

t.test('a step is refused without what it must have, and with what is wrong or unknown', async t => {
  for (const [action, members] of Object.entries(steps)) {
    for (const name of Object.keys(members)) {
      const path = `steps[0].${name}`
      if (optional[action]?.includes(name) !== true) {
        const [issue] = issuesOf(procedureOf(stepOf(action, without(members, name))))
        t.match(
          issue,
          new RegExp(`^${path.replaceAll('[', '\\[')}: is required`),
          `${action} without ${name}`
        )
      }
      for (const value of wrong[name] ?? []) {
        const [issue] = issuesOf(procedureOf(stepOf(action, { ...members, [name]: value })))
        t.ok(
          issue?.startsWith(`${path}: must `),
          `${action}, ${name} ${JSON.stringify(value)?.slice(0, 20)}: ${issue}`
        )
      }
    }
    t.same(issuesOf(procedureOf(stepOf(action, { ...members, extra: 1 }))), ['steps[0].extra: is unknown'])
  }
  for (const action of [
    undefined,
    null,
    '',
    5,
    {},
    'store.clear',
    'store.transaction',
    'procedures.call',
    'constructor',
    '__proto__',
    'toString'
  ]) {
    t.match(
      issuesOf(procedureOf({ action, bucket: 'b' })),
      [/^steps\[0\]\.action: must be one of/],
      String(action)
    )
  }
  for (const step of [null, 5, 'x', [], true]) {
    t.same(issuesOf(procedureOf(step)), ['steps[0]: must be an object'])
  }
})

t.test('conditions, and what a transformation takes, are checked', async t => {
  const table: ReadonlyArray<readonly [step: object, issues: readonly string[]]> = [
    ...[{}, { ref: '' }, { ref: 5 }].map(
      condition =>
        [
          stepOf('if', { ...steps['if'], condition: { operator: 'eq', ...condition } }),
          [`steps[0].condition.ref: ${'ref' in condition ? 'must be a non-empty text' : 'is required'}`]
        ] as const
    ),
    ...['', 'is', null, 'constructor'].map(
      operator =>
        [
          stepOf('if', { ...steps['if'], condition: { ref: 'x', operator } }),
          ['steps[0].condition.operator: must be one of eq, neq, gt, gte, lt, lte, exists, not_exists']
        ] as const
    ),
    [
      stepOf('if', { ...steps['if'], condition: { ref: 'x', operator: 'exists', then: 1 } }),
      ['steps[0].condition.then: is unknown']
    ],
    [
      stepOf('if', {
        condition: { ref: 'x', operator: 'exists' },
        then: [{ action: 'nope' }, stepOf('return')],
        else: [stepOf('store.get', { bucket: '', key: 'k', as: 'x' })]
      }),
      [
        `steps[0].then[0].action: must be one of ${Object.keys(steps).join(', ')}, not "nope"`,
        'steps[0].else[0].bucket: must be a non-empty text'
      ]
    ],
    ...[5, '', null, [], {}].map(
      args =>
        [
          stepOf('transform', { ...steps['transform'], operation: 'pluck', args }),
          ['steps[0].args: must be the name of a member']
        ] as const
    ),
    ...[5, 'x', null, {}, [5], ['']].map(
      args =>
        [
          stepOf('transform', { ...steps['transform'], operation: 'pick', args }),
          ['steps[0].args: must be an array of the names of members']
        ] as const
    ),
    ...['map', 'filter'].flatMap(operation =>
      [5, 'x', null, [], 'a{{ b }}'].map(
        args =>
          [
            stepOf('transform', { ...steps['transform'], operation, args }),
            ['steps[0].args: must be an object']
          ] as const
      )
    ),
    [stepOf('transform', { ...steps['transform'], operation: 'map', args: '{{ input.set }}' }), []],
    [stepOf('transform', { ...steps['transform'], operation: 'pick', args: ['a', 'b'] }), []],
    [stepOf('transform', { ...steps['transform'], operation: 'pluck', args: 'a' }), []],
    ...['sum', 'avg', 'min', 'max'].map(op => [
      stepOf('aggregate', { source: 's', op, as: 'x' }),
      ['steps[0].field: is required unless "op" is "count"']
    ] as const),
    ...['add', 'subtract', 'multiply', 'divide', 'min', 'max'].map(op => [
      stepOf('compute', { op, left: 1, as: 'x' }),
      ['steps[0].right: is required unless "op" is "round"']
    ] as const)
  ]
  for (const [step, issues] of table) t.same(issuesOf(procedureOf(step)), issues, JSON.stringify(step))
})

t.test('the members of a definition are checked', async t => {
  const valid = procedureOf(stepOf('return'))
  const table: ReadonlyArray<readonly [fields: object, issue: string]> = [
    ...['', null, 5, {}].map(name => [{ name }, 'name: must be a non-empty text'] as const),
    [{ name: 'x'.repeat(257) }, 'name: must not be longer than 256 characters'],
    ...[null, 5, {}, 'x'.repeat(4_097)].map(
      description => [{ description }, 'description: must be a text of at most 4096 characters'] as const
    ),
    ...[null, [], {}, 'x', 5].map(
      list => [{ steps: list }, 'steps: must be a non-empty array of steps'] as const
    ),
    ...[null, 0, 'true', {}].map(
      transaction => [{ transaction }, 'transaction: must be true or false'] as const
    ),
    ...[null, 0, -1, '5', {}, 3_600_001].map(
      timeoutMs => [{ timeoutMs }, 'timeoutMs: must be a number above 0 and at most 3600000'] as const
    ),
    ...[null, 'admin', true, 'OWNER'].map(runAs => [{ runAs }, 'runAs: must be caller or owner'] as const),
    ...[null, 5, [], 'x'].map(input => [{ input }, 'input: must be an object'] as const),
    ...[null, 5, [], 'x', 'string'].map(
      field => [{ input: { a: field } }, 'input.a: must be an object'] as const
    ),
    ...[undefined].map(type => [{ input: { a: { type } } }, 'input.a.type: is required'] as const),
    ...[null, 'integer', 'String', 5, 'constructor'].map(
      type =>
        [
          { input: { a: { type } } },
          'input.a.type: must be one of string, number, boolean, object, array'
        ] as const
    ),
    [{ input: { a: { type: 'string', required: 'yes' } } }, 'input.a.required: must be true or false'],
    [{ input: { a: { type: 'string', min: 1 } } }, 'input.a.min: is unknown'],
    ...[
      ['string', 5],
      ['number', '5'],
      ['boolean', 0],
      ['object', []],
      ['array', {}]
    ].map(
      ([type, value]) =>
        [
          { input: { a: { type, default: value } } },
          `input.a.default: must be of type ${String(type)}`
        ] as const
    ),
    [{ transactional: true }, 'transactional: is unknown; did you mean "transaction"?']
  ]
  for (const [fields, issue] of table) {
    t.same(issuesOf({ ...valid, ...fields }), [issue], JSON.stringify(fields))
  }
  t.same(issuesOf({}), ['name: is required', 'steps: is required'])
  const whole = {
    ...valid,
    description: '',
    input: { a: { type: 'string', required: false, default: null } },
    transaction: true,
    timeoutMs: 0.5,
    runAs: 'owner'
  }
  t.same(issuesOf(whole), [])
  t.same(checkDefinition(whole, limits).procedure?.definition, whole, 'and kept as it is')
})

t.test('the number of steps and how deep conditions stand within each other are limited', async t => {
  const nest = (depth: number): object =>
    depth === 0
      ? stepOf('return')
      : { action: 'if', condition: { ref: 'x', operator: 'exists' }, then: [nest(depth - 1)] }
  t.same(issuesOf(procedureOf(nest(5))), [])
  t.equal(checkDefinition(procedureOf(nest(5)), limits).procedure?.depth, 5)
  t.same(issuesOf(procedureOf(nest(6))), [
    `steps[0].${'then[0].'.repeat(4)}then[0]: is nested too deep: 5 "if" steps may stand within each other`
  ])
  t.same(issuesOf(procedureOf(nest(1)), { ...limits, maxConditionDepth: 0 }), [
    'steps[0]: is nested too deep: 0 "if" steps may stand within each other'
  ])

  const three = procedureOf(stepOf('return'), {
    action: 'if',
    condition: { ref: 'x', operator: 'exists' },
    then: [stepOf('return')]
  })
  t.same(issuesOf(three, { ...limits, maxSteps: 3 }), [])
  t.equal(checkDefinition(three, limits).procedure?.stepCount, 3)
  t.same(issuesOf(three, { ...limits, maxSteps: 2 }), [
    'steps: are 3, those within others included: there may be 2'
  ])
  t.equal(issuesOf(procedureOf(...Array.from({ length: 100 }, () => stepOf('return')))).length, 0)
  t.equal(issuesOf(procedureOf(...Array.from({ length: 101 }, () => stepOf('return')))).length, 1)
})

t.test('what is no definition at all is an issue, too', async t => {
  const cyclic: Record<string, unknown> = {}
  cyclic['self'] = cyclic
  let deep: unknown = 1
  for (let i = 0; i < 100_000; i++) deep = [deep]
  let nested: unknown = 1
  for (let i = 0; i < 40; i++) nested = { a: nested }
  const table: ReadonlyArray<readonly [value: unknown, issue: string]> = [
    ...[
      undefined,
      () => {},
      1n,
      Symbol('x'),
      cyclic,
      deep,
      {
        toJSON () {
          throw new Error('hostile')
        }
      }
    ].map(value => [value, 'the definition must be JSON'] as const),
    ...[null, 5, 'x', [], true].map(value => [value, 'the definition must be an object'] as const),
    [
      procedureOf(stepOf('return', { value: nested })),
      `steps[0].value${'.a'.repeat(29)}: is nested deeper than 32 levels`
    ],
    [
      procedureOf(stepOf('return', { value: 'x'.repeat(70_000) })),
      'the definition must not be longer than 65536 bytes of JSON'
    ],
    [
      procedureOf(stepOf('return', { value: '\u{1F600}'.repeat(17_000) })),
      'the definition must not be longer than 65536 bytes of JSON'
    ],
    [
      JSON.parse('{"name":"p","steps":[{"action":"return","value":{"__proto__":{"a":1}}}]}'),
      'steps[0].value.__proto__: is not accepted as a member name'
    ]
  ]
  for (const [value, issue] of table) t.same(issuesOf(value), [issue])
})

t.test('all issues are told, up to a hundred', async t => {
  t.equal(issuesOf(procedureOf(...Array.from({ length: 60 }, () => ({ action: 'nope' })))).length, 60)
  t.equal(issuesOf(procedureOf(...Array.from({ length: 500 }, () => ({ action: 'nope' })))).length, 100)
  t.equal(
    issuesOf({
      ...procedureOf(stepOf('return')),
      ...Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`m${i}`, 1]))
    }).length,
    100
  )
})

t.test('no member of any kind makes the check throw', async t => {
  const values: readonly unknown[] = [
    undefined,
    null,
    '',
    'x',
    '{{',
    '{{}}',
    '{{ a',
    0,
    -1,
    1e308,
    true,
    [],
    [[]],
    [null],
    {},
    { a: {} },
    { constructor: 1 },
    { then: 1 },
    { length: 1e9 },
    { $or: 5 }
  ]
  for (const [action, members] of Object.entries(steps)) {
    for (const name of [...Object.keys(members), 'action', 'extra']) {
      for (const value of values) total(t, procedureOf({ ...stepOf(action), [name]: value }))
    }
  }
  for (const name of [
    'name', 'description', 'input', 'steps', 'transaction', 'timeoutMs', 'runAs', 'extra'
  ]) {
    for (const value of values) total(t, { ...procedureOf(stepOf('return')), [name]: value })
  }
})

/** The check has an answer, and one that begins with a path where it is no. */
function total (t: Test, definition: object): void {
  const { procedure, issues } = checkDefinition(definition, limits)
  const isAnswer = procedure === undefined
    ? issues !== undefined && issues.length > 0 && issues.every(({ path }) => path !== '')
    : procedure.stepCount > 0
  if (!isAnswer) t.fail(JSON.stringify(definition))
}
