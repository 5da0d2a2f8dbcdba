import type { FastifyInstance } from 'fastify'
import t from 'tap'
import {
  fault,
  isMeddled,
  plainPaths,
  serveMeddled
} from '../support/meddled-service.js'

type Add = (app: FastifyInstance) => void

t.test('hooks that come after the answer harm nothing', async t => {
  const late: Record<string, Add> = {
    'onResponse throws': app => {
      app.addHook('onResponse', (request, _reply, done) => {
        isMeddled(request) ? fault() : done()
      })
    },
    'onResponse rejects': app => {
      app.addHook('onResponse', async request => {
        if (isMeddled(request)) fault()
      })
    },
    'onResponse never settles': app => {
      app.addHook('onResponse', async request => {
        if (isMeddled(request)) await new Promise(() => {})
      })
    },
    'onRequestAbort rejects': app => {
      app.addHook('onRequestAbort', async request => {
        if (isMeddled(request)) fault()
      })
    },
    'onTimeout rejects': app => {
      app.addHook('onTimeout', async request => {
        if (isMeddled(request)) fault()
      })
    }
  }
  for (const [name, add] of Object.entries(late)) {
    await t.test(name, async t => {
      const { get, upgrade, unharmed } = await serveMeddled(t, add, { allowedOrigins: [] })
      for (const path of plainPaths) t.equal(await get(path), path === '/live' ? 426 : 200, path)
      t.equal(await upgrade(), 101)
      t.equal(await upgrade('Origin: https://a.example'), 403)
      await unharmed()
    })
  }
})

/** Error handlers of the application, and the status that a failing hook leads to. */
const handlers: ReadonlyArray<readonly [name: string, add: Add, status: number]> = [
  [
    'answers in its own way',
    app => {
      app.setErrorHandler(async (_error, _request, reply) => await reply.code(503).send({ wait: true }))
    },
    503
  ],
  [
    'returns its answer',
    app => {
      app.setErrorHandler(async (_error, _request, reply) => {
        reply.code(503)
        return { wait: true }
      })
    },
    503
  ],
  [
    'sends the error on',
    app => {
      app.setErrorHandler((error, _request, reply) => {
        reply.code(503).send(error)
      })
    },
    503
  ],
  [
    'throws',
    app => {
      app.setErrorHandler(() => {
        throw new Error('worse')
      })
    },
    500
  ],
  [
    'rejects',
    app => {
      app.setErrorHandler(async () => await Promise.reject(new Error('worse')))
    },
    500
  ],
  [
    'answers with nothing',
    app => {
      app.setErrorHandler((_error, _request, reply) => {
        reply.code(503).send()
      })
    },
    503
  ],
  [
    'answers with a status of success',
    app => {
      app.setErrorHandler((_error, _request, reply) => {
        reply.code(200).send({ fine: true })
      })
    },
    200
  ],
  [
    'never answers',
    app => {
      app.setErrorHandler(async () => await new Promise(() => {}))
    },
    503
  ],
  [
    'is not there, and onError throws',
    app => {
      app.addHook('onError', async () => {
        throw new Error('worse')
      })
    },
    500
  ]
]

for (const [name, add, status] of handlers) {
  t.test(`an error handler that ${name} has its way with the errors of hooks`, async t => {
    const { get, upgrade, unharmed } = await serveMeddled(t, app => {
      add(app)
      app.addHook('preHandler', async request => {
        if (isMeddled(request)) fault()
      })
    })
    const paths = name === 'never answers' ? ['/healthz'] : plainPaths
    if (name !== 'never answers') for (const path of paths) t.equal(await get(path), status, path)
    t.equal(await upgrade(), status, 'and the upgrade does not pass')
    await unharmed()
  })
}

t.test('serializers and compilers of the application do not stand in the way of our routes', async t => {
  const compilers: Record<string, Add> = {
    'a serializer compiler that knows other schemas only': app => {
      app.setSerializerCompiler(() => () => fault())
    },
    'a serializer compiler that throws': app => {
      app.setSerializerCompiler(() => fault())
    },
    'a validator compiler that throws': app => {
      app.setValidatorCompiler(() => fault())
    },
    'a schema error formatter that throws': app => {
      app.setSchemaErrorFormatter(() => fault())
    },
    'a hook of preParsing that returns no stream': app => {
      app.addHook('preParsing', async () => 7 as never)
    },
    'ids of requests that are numbers': app => {
      app.setGenReqId(() => 7 as unknown as string)
    },
    'ids of requests that are missing': app => {
      app.setGenReqId(() => undefined as unknown as string)
    }
  }
  for (const [name, add] of Object.entries(compilers)) {
    await t.test(name, async t => {
      const { get, upgrade, body, unharmed } = await serveMeddled(t, add)
      for (const path of plainPaths) t.equal(await get(path), path === '/live' ? 426 : 200, path)
      t.match(await body('/healthz'), { status: 'ok' })
      t.equal(await upgrade(), 101)
      await unharmed()
    })
  }

  await t.test('a reply serializer of the application writes all answers', async t => {
    const { body, get } = await serveMeddled(t, app => {
      app.setReplySerializer(payload => JSON.stringify({ wrapped: payload }))
    })
    t.match(await body('/healthz'), { wrapped: { status: 'ok' } })
    t.equal(await get('/live'), 426)
  })

  await t.test('and one that throws costs its request', async t => {
    let throws = true
    const { get, upgrade, unharmed } = await serveMeddled(
      t,
      app => {
        app.setReplySerializer(payload => (throws ? fault() : JSON.stringify(payload)))
      },
      { allowedOrigins: [] }
    )
    t.equal(await get('/healthz'), 500)
    t.equal(await upgrade('Origin: https://a.example'), 403)
    t.equal(await upgrade(), 101)
    throws = false
    await unharmed()
  })
})
