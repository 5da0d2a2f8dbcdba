import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import {
  FAULT,
  fault,
  isMeddled,
  plainPaths,
  serveMeddled
} from '../support/meddled-service.js'
import type { LogLine } from '../support/log-into.js'

t.test("the application's own answer passes on every route, with and without our members", async t => {
  const answers: ReadonlyArray<
    readonly [name: string, status: number, body: object, answer: (reply: FastifyReply) => unknown]
  > = [
    [
      'an error of an overload',
      503,
      { statusCode: 503, code: 'OVERLOADED', error: 'Service Unavailable', message: 'Service Unavailable' },
      reply => {
        reply.header('retry-after', 10)
        throw Object.assign(new Error('Service Unavailable'), { statusCode: 503, code: 'OVERLOADED' })
      }
    ],
    ...([200, 401, 404, 429, 500, 503] as const).flatMap(status => [
      [
        `an object with ${status}`,
        status,
        { error: { deep: [status] } },
        (reply: FastifyReply) => reply.code(status).send({ error: { deep: [status] } })
      ] as const,
      [
        `an empty object with ${status}`,
        status,
        {},
        (reply: FastifyReply) => reply.code(status).send({})
      ] as const,
      [
        `a list with ${status}`,
        status,
        [status],
        (reply: FastifyReply) => reply.code(status).send([status])
      ] as const
    ])
  ]
  for (const [name, status, expected, answer] of answers) {
    await t.test(name, async t => {
      const { get, body, upgrade, unharmed } = await serveMeddled(t, app => {
        app.addHook('onRequest', async (request, reply) => (isMeddled(request) ? answer(reply) : undefined))
      })
      for (const path of plainPaths) {
        t.equal(await get(path), status, path)
        t.same(await body(path), expected, path)
      }
      t.equal(await upgrade(), status)
      await unharmed()
    })
  }
})

/** Changes that a hook may make to an answer of ours, and the status and the body that come of them. */
const payloads: ReadonlyArray<
  readonly [name: string, made: (payload: any) => unknown, status: number, body: object]
> = [
  ['wraps it', payload => ({ data: payload }), 200, { data: { status: 'ok' } }],
  ['adds a member', payload => ({ ...payload, host: 'a' }), 200, { status: 'ok', host: 'a' }],
  [
    'adds a member in place',
    payload => Object.assign(payload, { host: 'a' }),
    200,
    { status: 'ok', host: 'a' }
  ],
  ['leaves members out', () => ({}), 200, {}],
  [
    'changes types',
    () => ({ status: { deep: [1] }, uptime: 'long' }),
    200,
    { status: { deep: [1] }, uptime: 'long' }
  ],
  ['returns a list', () => [{ a: 1 }], 200, [{ a: 1 }]],
  ['returns a number', () => 7, 200, 7 as unknown as object],
  [
    'returns a circle',
    () => {
      const circle: Record<string, unknown> = {}
      circle['self'] = circle
      return circle
    },
    500,
    { statusCode: 500 }
  ],
  ['returns a BigInt', () => ({ n: 1n }), 500, { statusCode: 500 }],
  [
    'returns what cannot be read',
    () => ({
      get status () {
        return fault()
      }
    }),
    500,
    { statusCode: 500, message: FAULT }
  ],
  ['throws', () => fault(), 500, { statusCode: 500, message: FAULT }]
]

for (const [name, made, status, expected] of payloads) {
  t.test(`the answer of a hook of preSerialization that ${name} passes on every route`, async t => {
    const { get, body, unharmed } = await serveMeddled(t, app => {
      app.addHook('preSerialization', async (request, _reply, payload) =>
        isMeddled(request) && (payload as LogLine)['statusCode'] === undefined ? made(payload) : payload
      )
    })
    for (const path of ['/healthz', '/readyz', '/livez']) {
      t.equal(await get(path), status, path)
      t.match(await body(path), expected, path)
    }
    t.equal(await get('/stats'), status)
    t.equal(await get('/healthz', 'HEAD'), status)
    await unharmed()
  })
}

/** Payloads that a hook may send in place of a text, and the statuses that may come of them. */
const sent: ReadonlyArray<readonly [name: string, made: () => unknown, statuses: readonly number[]]> = [
  ['a text', () => '{"own":true}', [200, 426]],
  ['a buffer', () => Buffer.from('{"own":true}'), [200, 426]],
  ['nothing', () => null, [200, 426]],
  ['a number', () => 7, [500]],
  ['an object', () => ({ own: true }), [500]],
  [
    'a stream that fails',
    () =>
      new ReadableStream({
        pull () {
          fault()
        }
      }),
    [0, 200, 426, 500]
  ],
  // Fastify keeps a status that says already that the request has failed.
  ['an error', () => fault(), [500, 426]],
  ['a rejection', async () => await Promise.reject(new Error(FAULT)), [500, 426]]
]

for (const [name, made, statuses] of sent) {
  t.test(`a hook of onSend that sends ${name} costs its request`, async t => {
    const { get, upgrade, unharmed } = await serveMeddled(
      t,
      app => {
        app.addHook('onSend', async (request, _reply, payload) =>
          isMeddled(request) ? await made() : payload
        )
      },
      { allowedOrigins: [] }
    )
    for (const path of plainPaths) t.ok(statuses.includes(await get(path)), path)
    t.ok(
      [403, 500, 0].includes(await upgrade('Origin: https://a.example')),
      'a refused upgrade stays refused'
    )
    t.equal(await upgrade(), 101)
    await unharmed()
  })
}

t.test('a hook of onSend or preSerialization that never settles costs its request', async t => {
  for (const hook of ['preSerialization', 'onSend'] as const) {
    const { get, upgrade, unharmed } = await serveMeddled(
      t,
      app => {
        app.addHook(hook, async (request: FastifyRequest, reply: FastifyReply, payload: unknown) =>
          isMeddled(request) && reply.statusCode !== 503 ? await new Promise<never>(() => {}) : payload
        )
      },
      { allowedOrigins: [] }
    )
    t.same(
      await Promise.all(['/healthz', '/livez', '/stats'].map(async path => await get(path))),
      [503, 503, 503],
      hook
    )
    t.same(
      await Promise.all([upgrade('Origin: https://a.example'), upgrade('Origin: https://b.example')]),
      [503, 503],
      'refused upgrades'
    )
    await unharmed()
  }
})
