import t from 'tap'
import { literal, typeOfSchema } from '../../../../lib/cli/typescript/type-text.js'

t.test('a JSON Schema becomes the type of the values that it accepts', async t => {
  const cases: Array<[schema: unknown, type: string]> = [
    [{ type: 'string', minLength: 1 }, 'string'],
    [{ type: 'integer' }, 'number'],
    [{ type: ['boolean', 'null'] }, 'boolean | null'],
    [{ const: 'a' }, '\'a\''],
    [{ enum: ['a', 1, null, true] }, '\'a\' | 1 | null | true'],
    [{ enum: [Infinity] }, 'number'],
    [{ enum: [] }, 'never'],
    [{ anyOf: [{ type: 'string' }, { type: 'number' }, { type: 'string' }] }, 'string | number'],
    [{ oneOf: [{ type: 'string' }, {}] }, 'unknown'],
    [{ allOf: [{ type: 'string' }, {}, { type: 'number' }] }, '(string) & (number)'],
    [{ type: 'array', items: { type: 'string' } }, 'ReadonlyArray<string>'],
    [{ type: 'array' }, 'ReadonlyArray<unknown>'],
    [{ type: 'array', items: [{ type: 'string' }, { type: 'number' }] }, 'readonly [string, number]'],
    [{ type: 'array', prefixItems: [{ type: 'null' }] }, 'readonly [null]'],
    [{ type: 'object' }, 'object'],
    [{ type: 'object', additionalProperties: false }, 'Readonly<Record<string, never>>'],
    [{ type: 'object', additionalProperties: { type: 'number' } }, 'Readonly<Record<string, number>>'],
    [{ type: 'object', patternProperties: { '.*': { type: 'null' } } }, 'Readonly<Record<string, null>>'],
    [
      { type: 'object', properties: { a: { type: 'string' }, 'b c': {} }, required: ['a'] },
      '{\n  readonly a: string\n  readonly \'b c\'?: unknown\n}'
    ],
    [{ $ref: '#' }, 'unknown'],
    [true, 'unknown'],
    [undefined, 'unknown']
  ]
  for (const [schema, type] of cases) t.equal(typeOfSchema(schema), type, JSON.stringify(schema))
})

t.test('a schema that is deep, or repeats itself, ends', async t => {
  let schema: object = { type: 'string' }
  for (let i = 0; i < 5_000; i++) {
    schema = { type: ['object', 'object', ['object'], ['object']], properties: { a: schema }, items: schema }
  }
  t.match(typeOfSchema(schema), /unknown/)
})

t.test('a literal is the text, also of quotes and line breaks', async t => {
  for (const text of ['\'', '"', '\\', '\\\'', '\\"', '\n\r\t\0\b', '*/', '\u2028', '\ud800', 'é😀', '`']) {
    const source = literal(text)
    t.match(source, /^'[^\n\r\u2028\u2029]*'$/)
    // eslint-disable-next-line no-new-func
    t.equal(new Function(`return ${source}`)(), text)
  }
})
