import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { referencedBuckets } from '../../../lib/store/bucket-definition.js'

t.test('referencedBuckets', async t => {
  t.test('names what a definition or an update refers to, once each [G-C18]', async t => {
    t.same(
      referencedBuckets(
        {
          key: 'id',
          schema: { id: {}, a: { ref: '_users' }, b: { ref: 'x', onDelete: 'cascade' }, c: { ref: '_users' } }
        },
        'schema'
      ),
      ['_users', 'x']
    )
    t.same(
      referencedBuckets({ addFields: { a: { ref: '_users' } }, schema: { b: { ref: 'no' } } }, 'addFields'),
      ['_users']
    )
    t.same(referencedBuckets(JSON.parse('{"schema":{"__proto__":{"ref":"_users"}}}'), 'schema'), ['_users'])
  })

  t.test('accepts any input', async t => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.jsonValue(),
          fc.jsonValue().map(schema => ({ schema, addFields: schema })),
          fc.dictionary(fc.string(), fc.jsonValue()).map(schema => ({ schema }))
        ),
        config => {
          for (const member of ['schema', 'addFields'] as const) {
            assert.ok(referencedBuckets(config, member).every(name => typeof name === 'string'))
          }
        }
      )
    )
    t.same(referencedBuckets(undefined, 'schema'), [])
  })
})
