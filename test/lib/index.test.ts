import t from 'tap'
import type { FastifyInstance } from 'fastify'
import * as storeFace from '../../lib/exports/store.js'
import * as face from '../../lib/index.js'

t.test('the public face', t => {
  t.test('has the plugin as its default export and by name', async t => {
    t.equal(face.default, face.noexPlugin)
    t.type(face.noexPlugin, 'function')
  })

  t.test('exports these values and no others', async t => {
    t.same(Object.keys(face).sort(), [
      'ErrorCode', 'NoexOptionsError', 'NoexServer', 'NoexServerError', 'PROTOCOL_VERSION', 'Type',
      'checkDeployment', 'closeReasons', 'default', 'getOperationTier', 'hasAccessForTier', 'isBuiltInAuth',
      'isBuiltinRole', 'jwtAuth', 'noexPlugin', 'operation'
    ])
    t.equal(face.PROTOCOL_VERSION, '1.0.0')
    t.equal(Object.keys(face.ErrorCode).length, 16)
  })

  t.test('says of each close whether the client should come back', async t => {
    t.same(
      Object.values(face.closeReasons).map(({ code, reason, comeBack }) => `${code} ${reason} ${comeBack}`),
      [
        '1000 server_shutdown true', '1003 binary_not_supported false', '1008 login_timeout true',
        '1008 session_ended false', '1013 overloaded true', '1013 slow_consumer true',
        '4001 heartbeat_timeout true', '4002 session_revoked false', '4003 too_many_connections false',
        '4004 closed_by_operator true'
      ]
    )
  })

  t.test('has an error for applications that carries what the client is told', async t => {
    const error = new face.NoexServerError('CONFLICT', 'another client was faster', { bucket: 'items' })
    t.match(error, {
      name: 'NoexServerError',
      code: 'CONFLICT',
      message: 'another client was faster',
      details: { bucket: 'items' }
    })
  })

  t.test('tells Fastify the name of the plugin and the versions that it works with', async t => {
    const symbols = Object.getOwnPropertySymbols(face.noexPlugin)
    const meta = symbols.find(symbol => symbol.description === 'plugin-meta') as symbol
    t.match((face.noexPlugin as unknown as Record<symbol, unknown>)[meta], {
      name: 'fastify-noex',
      fastify: '5.x'
    })
  })

  t.test('gives the store on a path of its own', async t => {
    t.type(storeFace.Store.start, 'function')
  })

  t.test('types the decorator', async t => {
    const read = (app: FastifyInstance): string => app.noex.state
    t.equal(read({ noex: { state: 'serving' } } as FastifyInstance), 'serving')
  })
  t.end()
})
