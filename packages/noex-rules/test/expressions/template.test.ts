import fc from 'fast-check'
import t from 'tap'
import { compileKeyPatternTemplate, compileTemplate } from '../../src/expressions/template.js'
import { bestCpuTime, slowness } from '../support/cpu-time.js'
import { scopeOf } from '../support/scope-fixture.js'

const scope = scopeOf({
  data: {
    id: 7,
    name: 'Ann',
    none: null,
    no: false,
    zero: 0,
    list: [1, null, ['a', [undefined, 'b']], { x: 1 }],
    object: { x: 1 },
    bare: Object.create(null) as object,
    bad: { toString: 'no function' },
    worse: { toString () { throw new Error('no') } },
    symbol: Symbol('s'),
    template: '${event.id}',
    path: 'event.id'
  },
  facts: { 'user:7:tier': 'gold', 'user:7:key': 'gold', gold: 'won' },
  variables: { item: { sku: 'x1' } }
})

const table: ReadonlyArray<readonly [text: string, rendered: string]> = [
  ['', ''],
  ['plain', 'plain'],
  ['${event.id}', '7'],
  ['order:${event.id}:total', 'order:7:total'],
  ['${event.id}${event.name}', '7Ann'],
  ['${trigger.id}-${var.item.sku}', '7-x1'],
  ['[${event.missing}]', '[]'],
  ['[${event.none}]', '[]'],
  ['${event.no} ${event.zero}', 'false 0'],
  ['${event.object}', '[object Object]'],
  ['${event.list}', '1,,a,,b,[object Object]'],
  ['[${event.bare}${event.bad}${event.worse}]', '[]'],
  ['${event.symbol}', 'Symbol(s)'],
  ['${fact.user:${event.id}:tier}', 'gold'],
  ['${fact.${fact.user:${event.id}:key}}', 'won'],
  ['<${fact.user:${event.id}:tier}> ${event.id}', '<gold> 7'],
  ['${event.template}', '${event.id}'],
  ['${fact.${event.path}}', ''],
  ['${', '${'],
  ['${event.id', '${event.id'],
  ['a } b', 'a } b'],
  ['${event.id}}', '7}'],
  ['{event.id}', '{event.id}'],
  ['$ {event.id} $', '$ {event.id} $'],
  ['$${event.id}', '$7'],
  ['${ x ${event.id}', '${ x 7'],
  ['${${${event.id}', '${${7'],
  ['\\${event.id}', '\\7']
]

t.test('a template', async t => {
  for (const [text, rendered] of table) {
    t.test(`${JSON.stringify(text)} renders as ${JSON.stringify(rendered)}`, async t => {
      t.equal(
        compileTemplate(text)(scope), rendered
      )
    })
  }

  for (const text of [
    '${}', '${ event.id }', '${x}', '${event.${event.id}}', '${meta}', 'a ${unknown.x} b'
  ]) {
    t.throws(() => compileTemplate(text), { name: 'ReferencePathError' }, `${text} is refused`)
  }

  t.test('is nested up to 8 levels', async t => {
    const nested = (levels: number) => `${'${fact.'.repeat(levels)}x${'}'.repeat(levels)}`
    t.equal(compileTemplate(nested(8))(scope), '')
    t.throws(() => compileTemplate(nested(9)), { name: 'ReferencePathError' })
    t.throws(() => compileTemplate(nested(5000)), { name: 'ReferencePathError' })
    t.equal(compileTemplate(`\${${nested(8)}`)(scope), '${', 'and what is never closed is no level')
  })

  t.test('of ordinary text is that text', async t => {
    const text = fc.array(fc.constantFrom('$', '{', '}', 'a', '${', '}', '.'), { maxLength: 12 })
      .map(parts => parts.join(''))
    t.doesNotThrow(() => fc.assert(fc.property(text, text => {
      const isClosed = /\$\{[^]*\}/.test(text)
      return isClosed || compileTemplate(text)(scope) === text
    })))
  })

  t.test('renders at most 65 536 characters', async t => {
    const render = (data: Record<string, unknown>, text = '${event.x}') =>
      compileTemplate(text)(scopeOf({ data }))
    t.equal(render({ x: 'x'.repeat(65_536) }).length, 65_536)
    const tooLong = { name: 'ResolutionError', code: 'RESOLUTION_ERROR' }
    t.throws(() => render({ x: 'x'.repeat(65_537) }), tooLong)
    t.throws(() => render({ x: 'x'.repeat(33_000) }, '${event.x}${event.x}'), tooLong)
    t.throws(() => render({ x: Array(70_000).fill(null) }), tooLong)
    let doubled: unknown = 'x'
    for (let level = 0; level < 14; level++) doubled = [doubled, doubled, doubled, doubled]
    t.throws(() => render({ x: doubled }), tooLong, 'however small it is in memory')
  })

  t.test('renders an array that holds itself', async t => {
    const cycle: unknown[] = [1]
    cycle.push(cycle)
    t.match(compileTemplate('${event.x}')(scopeOf({ data: { x: cycle } })), /^1,1,/)
  })

  t.test('takes time linear in what is never closed', async t => {
    for (const text of [
      '${'.repeat(50_000), '${a'.repeat(33_000), '${${'.repeat(25_000) + '}', '}'.repeat(100_000)
    ]) {
      let error: unknown
      const time = bestCpuTime(() => {
        try { compileTemplate(text) } catch (caught) { error = caught }
      })
      t.ok(time < 100 * slowness(), `${text.slice(0, 8)}… of 100 KB took ${time} ms`)
      t.match(error ?? { name: 'none' }, { name: /none|ReferencePathError/ })
    }
  })
})

t.test('a template of a key pattern', async t => {
  const matcherOf = (text: string, data: Record<string, unknown> = {}) =>
    compileKeyPatternTemplate(text)(scopeOf({ data }))

  t.test('is compiled once when nothing is interpolated', async t => {
    const template = compileKeyPatternTemplate('user:*')
    t.equal(template(scope), template(scopeOf()))
  })

  t.test('takes its own wildcards, and none of what is interpolated', async t => {
    t.equal(matcherOf('user:${event.id}:*', { id: 7 }).matches('user:7:x'), true)
    t.equal(matcherOf('user:${event.id}', { id: '*' }).exact, 'user:*')
    t.equal(matcherOf('user:${event.id}:*', { id: '*' }).matches('user:7:x'), false)
    t.equal(matcherOf('user:${event.id}:*', { id: '**' }).matches('user:a:b:x'), false)
    t.equal(matcherOf('user:${event.id}:*', { id: '(' }).matches('user:(:x'), true)
  })

  t.test('is refused for what can be no pattern', async t => {
    for (const text of ['', '*'.repeat(9), `\${event.id}${':a*'.repeat(40)}`, 'x'.repeat(513)]) {
      t.throws(() => compileKeyPatternTemplate(text), { name: 'PatternError' })
    }
    t.throws(() => compileKeyPatternTemplate('a:${b}'), { name: 'ReferencePathError' })
  })

  t.test('fails for what becomes no pattern', async t => {
    t.throws(() => matcherOf('*:${event.id}', { id: ':'.repeat(40) }), { name: 'ResolutionError' })
    t.throws(() => matcherOf('*:${event.id}', { id: 'x'.repeat(600) }), { name: 'ResolutionError' })
  })
})
