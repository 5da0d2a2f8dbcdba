import t, { type Test } from 'tap'
import type { NoexOptions } from '../../lib/index.js'
import { serve, type Served } from '../support/service.js'
import { RawSocket } from '../support/raw-socket.js'

const allowed = 'https://desk.example'

/** Who says where a page comes from, and whether a page of `allowed` said so. */
const origins: ReadonlyArray<readonly [name: string, allowed: boolean, ...headers: string[]]> = [
  ['the origin itself', true, `Origin: ${allowed}`],
  ['the origin under another spelling of the header', true, `oRIGIN: ${allowed}`],
  ['the origin with spaces around', true, `Origin:  ${allowed} `],
  ['capitals', false, 'Origin: https://DESK.example'],
  ['the default port', false, 'Origin: https://desk.example:443'],
  ['another port', false, 'Origin: https://desk.example:8443'],
  ['another scheme', false, 'Origin: http://desk.example'],
  ['the socket\'s scheme', false, 'Origin: wss://desk.example'],
  ['no scheme', false, 'Origin: desk.example'],
  ['a slash at the end', false, `Origin: ${allowed}/`],
  ['a path', false, `Origin: ${allowed}/page`],
  ['a dot at the end', false, `Origin: ${allowed}.`],
  ['a longer name', false, `Origin: ${allowed}.evil.example`],
  ['a name that ends in it', false, 'Origin: https://evil-desk.example'],
  ['a part of it', false, 'Origin: https://desk.exampl'],
  ['a page below it', false, 'Origin: https://a.desk.example'],
  ['a user before it', false, 'Origin: https://desk.example@evil.example'],
  ['it as a user', false, 'Origin: https://evil.example#https://desk.example'],
  ['another page', false, 'Origin: https://evil.example'],
  ['"null"', false, 'Origin: null'],
  ['an empty header', false, 'Origin:'],
  ['a list', false, `Origin: ${allowed}, https://evil.example`],
  ['a list with spaces', false, `Origin: ${allowed} https://evil.example`],
  ['the header twice, the right one first', false, `Origin: ${allowed}`, 'Origin: https://evil.example'],
  ['the header twice, the right one last', false, 'Origin: https://evil.example', `Origin: ${allowed}`],
  ['the header twice, both right', false, `Origin: ${allowed}`, `Origin: ${allowed}`],
  ['the header with an underscore besides', false, 'Origin: https://evil.example', `Sec_Origin: ${allowed}`],
  [
    'an older name of the header besides',
    false,
    'Origin: https://evil.example',
    `Sec-WebSocket-Origin: ${allowed}`
  ],
  ['a name that the prototype has', false, 'Origin: constructor'],
  ['a wildcard', false, 'Origin: *']
]

/** The status of an upgrade with exactly these headers. */
async function status (t: Test, { port }: Served, ...headers: string[]): Promise<number> {
  const raw = await RawSocket.upgrade(t, port, '/', ['Host: localhost', ...headers])
  const code = await raw.status()
  raw.socket.destroy()
  return code
}

const allowedOrigins = [allowed]
const gateway: NoexOptions['auth'] = {
  gateway: { userHeader: 'X-Forwarded-User', trustedProxies: ['127.0.0.1'] }
}

t.test('a page connects only from an allowed origin', async t => {
  const modes: Record<string, { options: Omit<NoexOptions, 'store'>, headers: string[] }> = {
    'without auth': { options: { allowedOrigins }, headers: [] },
    'with tokens': { options: { allowedOrigins, auth: { validate: () => null } }, headers: [] },
    'behind a gateway': { options: { allowedOrigins, auth: gateway }, headers: ['X-Forwarded-User: ann'] }
  }
  for (const [mode, { options, headers }] of Object.entries(modes)) {
    await t.test(mode, async t => {
      const served = await serve(t, options)
      for (const [name, isAllowed, ...origin] of origins) {
        t.equal(await status(t, served, ...headers, ...origin), isAllowed ? 101 : 403, name)
      }
    })
  }
})

t.test('a client that sends no origin is no browser', async t => {
  t.equal(
    await status(t, await serve(t, { allowedOrigins })),
    101,
    'and may connect, because it has to log in by itself'
  )
})

t.test('behind a gateway, a client without an origin is refused: the gateway would log it in', async t => {
  const served = await serve(t, { allowedOrigins, auth: gateway })
  t.equal(await status(t, served, 'X-Forwarded-User: ann'), 403)
  // Newer releases of Node refuse it by themselves.
  t.match(
    await status(
      t,
      served,
      'X-Forwarded-User: ann',
      ...Array.from({ length: 2_500 }, (_, i) => `a${i}:`),
      `Origin: ${allowed}`
    ),
    /^(?:403|431)$/,
    'nor behind so many headers that it gets lost'
  )
})

t.test('no origin is checked where none is configured', async t => {
  const served = await serve(t)
  for (const [name, , ...origin] of origins) t.equal(await status(t, served, ...origin), 101, name)
})
