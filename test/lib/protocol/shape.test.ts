import t from 'tap'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { firstProblem } from '../../../lib/protocol/shape.js'

t.test('firstProblem names the property as the client wrote it', async t => {
  const schema = Compile(Type.Object({
    name: Type.String({ minLength: 1 }),
    list: Type.Optional(Type.Array(Type.Object({ 'a/b~c': Type.Integer() }, { additionalProperties: false })))
  }))
  const table: ReadonlyArray<readonly [value: unknown, path: string, message: RegExp]> = [
    [{}, '', /^name: is required$/],
    [{ name: '' }, '', /^name: must /],
    [{ name: 5 }, '', /^name: must /],
    [{ name: 5 }, 'config', /^config\.name: must /],
    [{}, 'operations[3]', /^operations\[3\]\.name: is required$/],
    [{ name: 'x', list: [{ 'a/b~c': 1 }, { 'a/b~c': 'x' }] }, '', /^list\[1\]\.a\/b~c: must /],
    [{ name: 'x', list: [{}] }, '', /^list\[0\]\.a\/b~c: is required$/],
    [{ name: 'x', list: [{ 'a/b~c': 1, b: 1 }] }, '', /^list\[0\]\.b: is unknown$/],
    [5, 'config', /^config: must /],
    [{ name: 'x' }, 'config', /^config: is not acceptable$/]
  ]
  for (const [value, path, message] of table) {
    t.match(
      firstProblem(schema, value, path),
      { name: 'NoexServerError', code: 'VALIDATION_ERROR', message },
      `${JSON.stringify(value)} at "${path}"`
    )
  }
})

t.test('firstProblem names the values that are allowed', async t => {
  const schema = Compile(Type.Object({
    order: Type.Optional(Type.Enum(['asc', 'desc'])),
    result: Type.Optional(Type.Union([Type.Literal('success'), Type.Literal('error')])),
    aggregate: Type.Optional(Type.Union([
      Type.Object({ function: Type.Literal('count'), field: Type.Optional(Type.String()) }),
      Type.Object({ function: Type.Enum(['sum', 'avg']), field: Type.String() })
    ]))
  }))
  const table: ReadonlyArray<readonly [value: object, message: string]> = [
    [{ order: 'up' }, 'order: must be one of asc, desc'],
    [{ result: 'x' }, 'result: must be one of success, error'],
    [{ aggregate: { function: 'summ', field: 'n' } }, 'aggregate.function: must be one of count, sum, avg'],
    [{ aggregate: { function: 'summ' } }, 'aggregate.function: must be one of count, sum, avg'],
    [{ aggregate: { function: 'sum' } }, 'aggregate.field: is required']
  ]
  for (const [value, message] of table) {
    t.match(
      firstProblem(schema, value),
      { message },
      JSON.stringify(value)
    )
  }
})

t.test('firstProblem suggests the property that was meant', async t => {
  const inner = Type.Object(
    { function: Type.String(), field: Type.String() },
    { additionalProperties: false }
  )
  const schema = Compile(Type.Object(
    { indexes: Type.Optional(Type.String()), aggregate: Type.Optional(inner) },
    { additionalProperties: false }
  ))
  t.match(
    firstProblem(schema, { indexs: 'x' }, 'config'),
    { message: 'config.indexs: is unknown; did you mean "indexes"?' }
  )
  t.match(
    firstProblem(schema, { aggregate: { function: 'x', field: 'y', feild: 'z' } }),
    { message: 'aggregate.feild: is unknown; did you mean "field"?' }
  )
  t.match(firstProblem(schema, { nothing: 'x' }), { message: 'nothing: is unknown' })
})
