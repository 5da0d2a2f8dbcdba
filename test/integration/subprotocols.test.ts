import { once } from 'node:events'
import websocket, { type WebsocketPluginOptions } from '@fastify/websocket'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import { noexPlugin, type NoexOptions } from '../../lib/index.js'
import { serve, startStore, type ServeSettings } from '../support/service.js'

/** Resolves with the subprotocol that `ws` agrees on, as a browser would; or with its error. */
async function agreed (t: Test, url: string, offers: string | string[]): Promise<string> {
  const ws = new WebSocket(url, offers)
  t.teardown(() => {
    ws.terminate()
  })
  const failed = once(ws, 'error').then(([error]) => (error as Error).message)
  return await Promise.race([once(ws, 'message').then(() => ws.protocol), failed])
}

const inBase64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const jwt = `${inBase64url({ alg: 'HS256' })}.${inBase64url({ sub: 'alice' })}.c2lnbmF0dXJl`

const table: ReadonlyArray<readonly [offers: string | string[], answer: string]> = [
  [[], ''],
  ['noex', 'noex'],
  ['noex.v1', 'noex.v1'],
  [['noex.v1', 'noex.v2'], 'noex.v1'],
  [['noex.v2', 'noex.v1'], 'noex.v1'],
  [['graphql-ws', 'mqtt'], 'graphql-ws'],
  [['NOEX.V1', 'mqtt'], 'NOEX.V1'],
  [['bearer.abc', 'noex.v1'], 'noex.v1'],
  [['noex.v1', 'bearer.abc'], 'noex.v1'],
  [['bearer.abc', 'mqtt'], 'mqtt'],
  [['Bearer.abc', 'base64url.bearer.authorization.k8s.io.abc', 'mqtt'], 'mqtt'],
  [['bearer', 'forbearer.x'], 'bearer'],
  ...[
    'bearer.abc', 'bearer-abc', 'Bearer_abc', 'token.eyJx', 'access_token.abc', 'access-token-abc',
    'x.jwt.abc', 'JWT~abc', 'client_secret.abc', 'password!abc', 'my.password--abc', jwt, `noex.${jwt}`,
    `x-${jwt.slice(0, -3)}`, jwt.replace(/[^.]*$/, '')
  ].flatMap((offer): Array<[string | string[], string]> => [
    [offer, 'Server sent no subprotocol'],
    [[offer, 'mqtt'], 'mqtt']
  ]),
  ...[
    'token', 'jwt', 'tokenized.v1', 'my-token', 'passwordless.v2', 'a.b.c', 'v12.stomp.x', 'eyJ.b.c',
    'eye.b.c', 'graphql-transport-ws'
  ].map((offer): [string, string] => [offer, offer]),
  [['bearer.abc', 'bearer.def'], 'Server sent no subprotocol']
]

/** The plugin's own WebSocket server, and those that an application may have registered. */
const servers: ReadonlyArray<readonly [name: string, settings: ServeSettings]> = [
  ['its own WebSocket server', {}],
  ...Object.entries({
    "an application's": {},
    "an application's that chooses for itself": { options: { handleProtocols: () => 'chosen' } },
    "an application's that agrees on nothing": { options: { handleProtocols: () => false } },
    "an application's that fails to choose": {
      options: {
        handleProtocols: () => {
          throw new Error('no choice')
        }
      }
    }
  } as const satisfies Record<string, WebsocketPluginOptions>).map(
    ([name, options]) =>
      [
        name,
        {
          before: async app => {
            await app.register(websocket, options)
          }
        }
      ] as const satisfies [string, ServeSettings]
  )
]

for (const [name, settings] of servers) {
  t.test(
    `the first subprotocol that is offered is agreed on, noex.v1 before others and a token never: ${name}`,
    async t => {
      const { url } = await serve(t, {}, settings)
      for (const [offers, answer] of table) {
        t.equal(await agreed(t, url, offers), answer, JSON.stringify(offers))
      }
    }
  )
}

t.test("the application's other WebSocket routes keep their own choice", async t => {
  const store = await startStore(t)
  const options: Omit<NoexOptions, 'store'> = { path: '/live' }
  const choices: Array<readonly [WebsocketPluginOptions, string]> = [
    [{}, 'bearer.abc'],
    [{ options: { handleProtocols: offers => [...offers].at(-1) ?? false } }, 'mqtt']
  ]
  for (const [choice, answer] of choices) {
    const { url } = await serve(t, options, {
      store,
      async before (app) {
        await app.register(websocket, choice)
        app.get('/own', { websocket: true }, socket => {
          socket.send('hello')
        })
        await app.register(
          async scope => {
            await scope.register(noexPlugin, { ...options, store })
          },
          { prefix: '/second' }
        )
      }
    })
    t.equal(await agreed(t, `${url}/own`, ['bearer.abc', 'mqtt']), answer)
    t.equal(await agreed(t, `${url}/own`, []), '')
    for (const path of ['/live', '/second/live']) {
      t.equal(await agreed(t, url + path, ['bearer.abc', 'mqtt', 'noex.v1']), 'noex.v1', path)
    }
  }
})

t.test('a token that is offered reaches hooks and `validate` of the application all the same', async t => {
  const seen: unknown[] = []
  const { url } = await serve(
    t,
    {
      auth: {
        validate (_token, { headers }) {
          seen.push(headers['sec-websocket-protocol'])
          return null
        }
      }
    },
    {
      before: app => {
        app.addHook('preHandler', async ({ headers }) => {
          seen.push(headers['sec-websocket-protocol'])
        })
      }
    }
  )
  const ws = new WebSocket(url, ['bearer.abc', 'noex.v1'])
  t.teardown(() => {
    ws.terminate()
  })
  await once(ws, 'message')
  ws.send('{"id":1,"type":"auth.login","token":"x"}')
  await once(ws, 'message')
  t.same(seen, ['bearer.abc,noex.v1', 'bearer.abc,noex.v1'])
})
