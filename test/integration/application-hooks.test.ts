import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import {
  addCallbackHook,
  addHook,
  FAULT,
  fault,
  isMeddled,
  plainPaths,
  requestHooks,
  serveMeddled,
  type RequestHook
} from '../support/meddled-service.js'

const nothing: unknown = undefined

/** How a hook before the handler may fail, the status of its answer, and what the log must say. */
const failures: ReadonlyArray<
  readonly [
    name: string,
    status: number,
    log: RegExp | undefined,
    add: (app: FastifyInstance, name: RequestHook) => void
  ]
> = [
  [
    'throws',
    500,
    /a fault of the application/,
    (app, name) => {
      addCallbackHook(app, name, (request, _reply, done) => {
        isMeddled(request) ? fault() : done()
      })
    }
  ],
  [
    'rejects',
    500,
    /a fault of the application/,
    (app, name) => {
      addHook(app, name, async request => {
        if (isMeddled(request)) fault()
      })
    }
  ],
  [
    'calls back with an error',
    500,
    /a fault of the application/,
    (app, name) => {
      addCallbackHook(app, name, (request, _reply, done) => {
        isMeddled(request) ? done(new Error(FAULT)) : done()
      })
    }
  ],
  [
    'rejects with a text',
    500,
    undefined,
    (app, name) => {
      addHook(app, name, async request => {
        if (isMeddled(request)) await Promise.reject(FAULT)
      })
    }
  ],
  [
    'rejects with nothing',
    500,
    undefined,
    (app, name) => {
      addHook(app, name, async request => {
        if (isMeddled(request)) await Promise.reject(nothing)
      })
    }
  ],
  [
    'rejects with a status of its own',
    402,
    undefined,
    (app, name) => {
      addHook(app, name, async request => {
        if (isMeddled(request)) throw Object.assign(new Error(FAULT), { statusCode: 402 })
      })
    }
  ],
  [
    'never settles',
    503,
    /timed out|upgrade cut off: .*a hook of the application|upgrade cut off: an onRequest hook/i,
    (app, name) => {
      addHook(app, name, async request => {
        if (isMeddled(request)) await new Promise(() => {})
      })
    }
  ],
  [
    'never calls back',
    503,
    /timed out|upgrade cut off: /i,
    (app, name) => {
      addCallbackHook(app, name, (request, _reply, done) => {
        if (!isMeddled(request)) done()
      })
    }
  ],
  [
    'answers for itself',
    418,
    undefined,
    (app, name) => {
      addHook(app, name, async (request, reply) =>
        isMeddled(request) ? await reply.code(418).send({ teapot: true }) : undefined
      )
    }
  ],
  [
    'answers for itself, and does not say so',
    418,
    undefined,
    (app, name) => {
      addHook(app, name, async (request, reply) => {
        if (isMeddled(request)) reply.code(418).send({ teapot: true })
      })
    }
  ]
]

for (const [name, status, log, add] of failures) {
  t.test(`a hook before the handler that ${name} costs its request`, async t => {
    for (const hook of requestHooks) {
      await t.test(hook, async t => {
        const { get, upgrade, unharmed, lines } = await serveMeddled(t, app => {
          add(app, hook)
        })
        t.same(
          await Promise.all(plainPaths.map(async path => await get(path))),
          plainPaths.map(() => status),
          'plain requests'
        )
        t.same(await Promise.all([upgrade(), upgrade(), upgrade()]), [status, status, status], 'upgrades')
        if (log !== undefined) {
          const told = lines.map(line => `${String(line['msg'])} ${String(line['err']?.message)}`)
          t.equal(told.filter(line => log.test(line)).length >= plainPaths.length + 3, true, told.join('\n'))
        }
        await unharmed()
      })
    }
  })
}

t.test('a hook that calls back twice costs its request', async t => {
  for (const hook of requestHooks) {
    await t.test(hook, async t => {
      const { get, upgrade, unharmed } = await serveMeddled(t, app => {
        addCallbackHook(app, hook, (request, _reply, done) => {
          if (isMeddled(request)) done()
          done()
        })
      })
      for (const path of plainPaths) t.ok((await get(path)) > 0, path)
      for (let i = 0; i < 3; i++) await upgrade()
      await unharmed()
    })
  }
})

t.test('a hook may ask a route of ours while it decides about another', async t => {
  for (const hook of [...requestHooks, 'preSerialization', 'onSend'] as const) {
    await t.test(hook, async t => {
      const seen: number[] = []
      const { get, upgrade, unharmed } = await serveMeddled(t, app => {
        const look = async (request: FastifyRequest): Promise<void> => {
          if (!isMeddled(request)) return
          for (const path of ['/healthz', '/stats', '/live']) seen.push((await app.inject(path)).statusCode)
        }
        if (hook === 'preSerialization' || hook === 'onSend') {
          app.addHook(hook, async (request: FastifyRequest, _reply: FastifyReply, payload: unknown) => {
            await look(request)
            return payload
          })
        } else {
          addHook(app, hook, look)
        }
      })
      for (const path of plainPaths) t.equal(await get(path), path === '/live' ? 426 : 200, path)
      t.equal(await upgrade(), 101)
      t.same([...new Set(seen)], [200, 426])
      await unharmed()
    })
  }
})

t.test('a hook may look whether the client is still there, or send it away', async t => {
  const { upgrade, unharmed, app } = await serveMeddled(t, app => {
    app.addHook('preHandler', async request => {
      if (isMeddled(request)) request.raw.socket.destroy()
    })
  })
  for (let i = 0; i < 5; i++) t.equal(await upgrade(), 0)
  t.ok(app.noex.connectionCount <= 1)
  await unharmed()
})
