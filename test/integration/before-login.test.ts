import type { Socket } from 'node:net'
import websocket from '@fastify/websocket'
import t, { type Test } from 'tap'
import type { NoexOptions } from '../../lib/index.js'
import { TestClient } from '../support/client.js'
import { textFrame } from '../support/web-socket-frame.js'
import { serve, type ServeSettings } from '../support/service.js'
import { ADMIN_SECRET, serveAccounts } from '../support/identity.js'
import { logInto } from '../support/log-into.js'
import { RawSocket } from '../support/raw-socket.js'
import { Barrier } from '../support/barrier.js'

const KIB = 1_024

interface Inflating {
  readonly _receiver: {
    readonly _extensions: Readonly<Record<'permessage-deflate', { readonly _maxPayload: number }>>
  }
}

/** Tokens are user ids. */
const tokens = { validate: (token: string) => ({ userId: token.slice(0, 10), roles: ['writer'] }) }

/** A close frame of the server with 1009. */
const closeFrame = Buffer.from([0x88, 2, 1009 >> 8, 1009 & 0xff]).toString('latin1')

/** A request of exactly so many bytes. */
function requestOf (bytes: number, type = 'auth.whoami'): string {
  const empty = JSON.stringify({ id: 1, type, padding: '' })
  return JSON.stringify({ id: 1, type, padding: 'x'.repeat(bytes - empty.length) })
}

/**
 * The fate of a frame of so many bytes on a new connection: how it is answered, or the code with which it
 * is closed.
 */
async function outcome (client: TestClient, bytes: number): Promise<unknown> {
  client.ws.send(requestOf(bytes))
  return await Promise.race([client.next().then(({ type }) => type), client.closed.then(({ code }) => code)])
}

t.test('before a login, frames are small', async t => {
  t.test('as 32 KiB in every mode that has a login; a larger one closes with 1009', async t => {
    const external = await serve(t, { auth: tokens })
    const builtIn = await serveAccounts(t)
    for (const { connect } of [external, builtIn]) {
      t.equal(await outcome(await connect(), 32 * KIB), 'result')
      t.equal(await outcome(await connect(), 32 * KIB + 1), 1009)
    }
  })

  t.test('by its header alone: nothing of it is read', async t => {
    const { port } = await serve(t, { auth: tokens })
    const raw = await RawSocket.upgrade(t, port)
    await raw.until(/welcome/)
    raw.socket.write(textFrame('', { length: 32 * KIB + 1, lengthBits: 64 }))
    await raw.closed
    t.ok(raw.received.endsWith(closeFrame), '1009')
  })

  t.test('in fragments, too', async t => {
    const { connect } = await serve(t, { auth: tokens })
    const client = await connect()
    for (let i = 0; i < 9; i++) client.ws.send('x'.repeat(4 * KIB), { fin: false })
    t.equal((await client.closed).code, 1009)
  })

  t.test('with room for a token of 16 KiB, and for the longest name and password', async t => {
    const { connect } = await serve(t, { auth: tokens })
    t.match(await (await connect()).ask('auth.login', { token: 'x'.repeat(16 * KIB) }), {
      userId: 'xxxxxxxxxx'
    })
    const accounts = await serveAccounts(t)
    t.equal(
      await (
        await accounts.connect()
      ).code('identity.login', { username: 'ж'.repeat(4_096), password: 'ж'.repeat(4_096) }),
      'UNAUTHORIZED'
    )
  })

  t.test('as the option says, and never larger than maxPayloadBytes', async t => {
    const { connect } = await serve(t, {
      auth: tokens,
      connectionLimits: { maxUnauthenticatedPayloadBytes: 100 }
    })
    t.equal(await outcome(await connect(), 100), 'result')
    t.equal(await outcome(await connect(), 101), 1009)
    const small = await serve(t, { auth: tokens, maxPayloadBytes: 200 })
    t.equal(await outcome(await small.connect(), 200), 'result')
    t.equal(await outcome(await small.connect(), 201), 1009)
  })

  t.test('and the log names the option', async t => {
    const log: object[] = []
    const settings: ServeSettings = {
      fastify: {
        logger: logInto(log, 'info')
      }
    }
    const { connect } = await serve(t, { auth: tokens, maxPayloadBytes: 64 * KIB }, settings)
    const options = (): unknown[] =>
      log.map(line => (line as { option?: string }).option).filter(option => option !== undefined)
    await outcome(await connect(), 33 * KIB)
    t.same(options(), ['connectionLimits.maxUnauthenticatedPayloadBytes'])
    const client = await connect()
    await client.ask('auth.login', { token: 'ann' })
    await outcome(client, 65 * KIB)
    t.same(options().slice(1), ['maxPayloadBytes'])
  })

  t.test('also when they are compressed: no more is inflated than may be sent', async t => {
    const settings: ServeSettings = {
      before: async app => {
        await app.register(websocket, { options: { perMessageDeflate: true } })
        app.websocketServer.on('connection', ws => { sockets.push(ws) })
      }
    }
    const sockets: object[] = []
    const { connect } = await serve(t, { auth: tokens, maxPayloadBytes: 100 * KIB }, settings)
    /** The limit of the inflater, which has no public name. */
    const inflated = (): unknown => {
      const { _extensions } = (sockets.at(-1) as Inflating)._receiver
      return _extensions['permessage-deflate']._maxPayload
    }
    t.equal(await outcome(await connect(), 32 * KIB), 'result')
    t.equal(inflated(), 32 * KIB)
    t.equal(await outcome(await connect(), 33 * KIB), 1009)
    const client = await connect()
    await client.ask('auth.login', { token: 'ann' })
    t.equal(inflated(), 100 * KIB)
    t.equal(await outcome(client, 100 * KIB), 'result')
    t.equal(await outcome(client, 101 * KIB), 1009)
  })

  t.test('after it they are as large as any, also when the session has ended', async t => {
    const { connect } = await serve(t, { auth: tokens })
    const client = await connect()
    await client.ask('auth.login', { token: 'ann' })
    t.equal(await outcome(client, 1_048_576), 'result')
    await client.ask('auth.logout')
    t.equal(await outcome(client, 500_000), 'result')
    const accounts = await serveAccounts(t)
    const admin = await accounts.connect()
    await admin.ask('identity.loginWithSecret', { secret: ADMIN_SECRET })
    t.equal(await outcome(admin, 1_048_576), 'result')
  })

  t.test(
    'nothing changes without auth, where a login is optional, and where a gateway has named the user',
    async t => {
      const gateway = { gateway: { userHeader: 'X-Forwarded-User', trustedProxies: ['127.0.0.1'] } }
      const modes: ReadonlyArray<readonly [string, Omit<NoexOptions, 'store'>, object]> = [
        ['no auth', {}, {}],
        ['optional login', { auth: { ...tokens, required: false } }, {}],
        [
          'gateway',
          { auth: gateway, allowedOrigins: ['https://a.example'] },
          { origin: 'https://a.example', headers: { 'x-forwarded-user': 'ann' } }
        ]
      ]
      for (const [mode, options, upgrade] of modes) {
        const { url } = await serve(t, options)
        const client = await TestClient.open(t, url, upgrade)
        t.not(await outcome(client, 1_048_576), 1009, mode)
      }
    }
  )
})

t.test('while a login is being checked, no more is read than one frame and what came with it', async t => {
  /** Serves with logins that wait; `bytesRead` is what the server has read from its first client. */
  async function serveSlowly (t: Test) {
    const barrier = new Barrier()
    t.teardown(() => {
      barrier.open()
    })
    const sockets: Socket[] = []
    const validate = async (token: string): Promise<{ userId: string; roles: string[] }> => {
      if (token === 'slow') await barrier.pass()
      return { userId: token, roles: ['writer'] }
    }
    const before = (app: {
      readonly server: { on: (event: 'connection', listener: (socket: Socket) => void) => unknown }
    }): void => {
      app.server.on('connection', socket => {
        sockets.push(socket)
      })
    }
    const served = await serve(t, { auth: { validate } }, { before })
    return { ...served, barrier, bytesRead: () => sockets[0]?.bytesRead ?? NaN }
  }

  t.test('and all of it is answered in the end', async t => {
    const { connect, barrier, bytesRead } = await serveSlowly(t)
    const client = await connect()
    client.send({ id: 1, type: 'auth.login', token: 'slow' })
    await barrier.held()
    for (let id = 2; id <= 101; id++) client.send({ id, type: 'auth.whoami', padding: 'ж'.repeat(15_000) })
    // By then a server that reads would have read everything.
    const other = await connect()
    await other.ask('auth.login', { token: 'ann' })
    for (let i = 0; i < 200; i++) await other.ask('store.count', { bucket: 'items' })
    t.ok(bytesRead() < 200_000, `${bytesRead()} of 3,000,000 bytes`)
    barrier.open()
    t.match(await client.next(frame => frame['id'] === 101), { data: { userId: 'slow' } })
    t.same(
      client.waiting.filter(({ type }) => type !== 'ping').map(({ id }) => id),
      Array.from({ length: 100 }, (_, i) => i + 1),
      'in order'
    )
  })

  t.test('small requests that a client sends with its login are answered, however many', async t => {
    const { connect, barrier } = await serveSlowly(t)
    const client = await connect()
    client.send({ id: 1, type: 'auth.login', token: 'slow' })
    for (let id = 2; id <= 1_001; id++) client.send({ id, type: 'store.count', bucket: 'items' })
    await barrier.held()
    barrier.open()
    t.match(await client.next(frame => frame['id'] === 1_001), { type: 'result', data: 0 })
  })
})
