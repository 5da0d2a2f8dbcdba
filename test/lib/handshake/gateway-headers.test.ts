import { createServer, request, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { gatewayHeaders } from '../../../lib/handshake/gateway-headers.js'
import {
  SECRET, noUser, otherSpellings, plain, shown, untrusted, trusted, withSecret
} from '../../support/gateway-requests.js'

const spelledOtherwise = { refused: 400, reason: 'header "X-Forwarded-User" is there in another spelling' }
const repeated = { refused: 400, reason: 'header "X-Forwarded-User" is there more than once' }

const noUserId = { refused: 400, reason: 'header "X-Forwarded-User" is not one user id' }
const noRoles = { refused: 400, reason: 'header "X-Forwarded-Groups" is not a list of roles' }

const tooMany = { refused: 400, reason: 'the request has 1000 headers or more' }
const untrustedPeer = { refused: 401, reason: 'the peer is not one of trustedProxies' }

function filler (count: number): string[] {
  return Array.from({ length: count }, (_, i) => [`A${i}`, 'b']).flat()
}

t.test('[G-B20] a trusted peer names the user', t => {
  const identityOf = gatewayHeaders(plain)

  t.test('with one header, and the roles with another', async t => {
    for (const peer of trusted) {
      for (const name of ['X-Forwarded-User', 'x-forwarded-user', 'X-FORWARDED-USER']) {
        t.same(
          identityOf(peer, ['Host', 'a.example', name, 'alice', 'Connection', 'Upgrade']),
          { userId: 'alice', roles: [] },
          `${name} from ${peer}`
        )
      }
      t.same(
        identityOf(peer, ['x-forwarded-groups', 'admin, writer', 'X-Forwarded-User', 'alice']),
        { userId: 'alice', roles: ['admin', 'writer'] },
        peer
      )
      t.same(
        identityOf(peer, [...filler(998), 'X-Forwarded-User', 'alice']),
        { userId: 'alice', roles: [] },
        'behind 998 other headers'
      )
    }
  })

  t.test('by a name of visible ASCII characters that no proxy can have joined', async t => {
    const good = [
      'a',
      'alice',
      'alice@example.com',
      'CORP\\alice',
      'auth0|5f7c',
      'urn:user:1',
      '$userId',
      '__proto__',
      '<b>',
      '`',
      'a'.repeat(256),
      '~!#$%&()*+-./'
    ]
    for (const userId of good) {
      t.same(identityOf('10.0.0.1', ['X-Forwarded-User', userId]), { userId, roles: [] }, userId)
    }
    for (const value of ['', ' ', '\t', '  \t ']) {
      t.same(identityOf('10.0.0.1', ['X-Forwarded-User', value]), noUser, shown(value))
    }
    const bad = [
      'alice, admin', 'alice,admin', ',', 'alice;q=1', '"alice"', "'alice'", "o'neill", 'alice smith',
      ' alice', 'alice ', 'alice\t', 'alice\n', 'alice\r\nX: y',
      'alice\0', 'alice\x7f', '\x1balice', 'alic\u00e9', 'alic\u00c3\u00a9', '\u0430lice', '\u00a0alice',
      'alice\u2028', '\ud800', 'a'.repeat(257), 'a'.repeat(16_000)
    ]
    for (const value of bad) {
      t.same(identityOf('10.0.0.1', ['X-Forwarded-User', value]), noUserId, shown(value))
    }
  })

  t.test('with roles in a list', async t => {
    const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `role${i}`)
    const long = (count: number, chars: number): string =>
      Array<string>(count).fill('r'.repeat(chars)).join(',')
    const good: ReadonlyArray<readonly [value: string, roles: string[]]> = [
      ['', []],
      [' \t', []],
      ['admin', ['admin']],
      ['admin,writer', ['admin', 'writer']],
      [' admin ,\twriter\t', ['admin', 'writer']],
      ['writer, admin, writer', ['writer', 'admin']],
      ['Admin,admin', ['Admin', 'admin']],
      ['__proto__,constructor', ['__proto__', 'constructor']],
      ['role:a/b@c', ['role:a/b@c']],
      ['r'.repeat(64), ['r'.repeat(64)]],
      [numbered(64).join(','), numbered(64)],
      [long(63, 64), ['r'.repeat(64)]],
      [`a,${' '.repeat(4_093)}b`, ['a', 'b']]
    ]
    for (const [value, roles] of good) {
      t.same(
        identityOf('10.0.0.1', ['X-Forwarded-User', 'alice', 'X-Forwarded-Groups', value]),
        { userId: 'alice', roles },
        shown(value)
      )
    }
    const bad = [
      ',', 'admin,', ',admin', 'admin,,writer', 'admin, ,writer', 'admin writer', 'admin;writer', '"admin"',
      "'admin'", '["admin"]', 'adm\u00efn', 'admin\u00a0', 'admin\n',
      'admin\0', 'r'.repeat(65), numbered(65).join(','), Array<string>(65).fill('admin').join(','),
      long(64, 64), `a,${' '.repeat(4_094)}b`, ' '.repeat(4_096) + 'a'
    ]
    for (const value of bad) {
      t.same(
        identityOf('10.0.0.1', ['X-Forwarded-User', 'alice', 'X-Forwarded-Groups', value]),
        noRoles,
        shown(value)
      )
    }
    const withoutRoles = gatewayHeaders({ userHeader: 'X-Forwarded-User', trustedProxies: ['10.0.0.1'] })
    t.same(
      withoutRoles('10.0.0.1', [
        'X-Forwarded-User',
        'alice',
        'X-Forwarded-Groups',
        'admin',
        'X_Forwarded_Groups',
        'admin'
      ]),
      { userId: 'alice', roles: [] },
      'without rolesHeader there are no roles'
    )
  })

  t.test('and a request without a user is refused', async t => {
    const lists = [
      [],
      ['Host', 'a.example'],
      // A proxy that takes this for a list of hop-by-hop headers has removed the user's own header.
      ['Connection', 'Upgrade, X-Forwarded-User'],
      ['Connection', 'close, X-Forwarded-User, X-Forwarded-Groups'],
      ['X-Forwarded-Groups', 'admin'],
      ['X-Forwarded-Users', 'alice'],
      ['X-Forwarded-User-2', 'alice'],
      ['Forwarded-User', 'alice'],
      ['Authorization', 'Basic YWxpY2U6YWxpY2U=', 'Cookie', 'X-Forwarded-User=alice'],
      ['X-Forwarded-User', ''],
      ['X-Forwarded-User', ' ']
    ]
    for (const peer of trusted) {
      for (const rawHeaders of lists) {
        t.same(identityOf(peer, rawHeaders), noUser, `${JSON.stringify(rawHeaders)} from ${peer}`)
      }
    }
  })

  t.test('and not in two ways', async t => {
    for (const peer of trusted) {
      for (const name of otherSpellings) {
        t.same(identityOf(peer, [name, 'root']), spelledOtherwise, name)
        t.same(
          identityOf(peer, [name, 'root', 'X-Forwarded-User', 'alice']),
          spelledOtherwise,
          `${name} first`
        )
        t.same(
          identityOf(peer, ['X-Forwarded-User', 'alice', 'Host', 'a.example', name, 'root']),
          spelledOtherwise,
          `${name} last`
        )
      }
      for (const name of ['X-Forwarded-User', 'x-forwarded-user']) {
        for (const value of ['root', 'alice', '']) {
          t.same(
            identityOf(peer, [name, value, 'X-Forwarded-User', 'alice']),
            repeated,
            `${name}: ${value} first`
          )
          t.same(
            identityOf(peer, ['X-Forwarded-User', 'alice', 'Host', 'a.example', name, value]),
            repeated,
            `${name}: ${value} last`
          )
        }
      }
      for (const name of ['X_Forwarded_Groups', 'XForwardedGroups']) {
        t.same(identityOf(peer, ['X-Forwarded-User', 'alice', 'X-Forwarded-Groups', 'writer', name, 'admin']),
          { refused: 400, reason: 'header "X-Forwarded-Groups" is there in another spelling' }, name)
      }
      t.same(
        identityOf(peer, [
          'X-Forwarded-User',
          'alice',
          'X-Forwarded-Groups',
          'writer',
          'X-Forwarded-Groups',
          'admin'
        ]),
        { refused: 400, reason: 'header "X-Forwarded-Groups" is there more than once' }
      )
    }
  })

  t.test('unless there are so many headers that Node may have lost some', async t => {
    for (const peer of [...trusted, ...untrusted]) {
      t.same(identityOf(peer, ['X-Forwarded-User', 'alice', ...filler(999)]), tooMany, String(peer))
      t.same(identityOf(peer, filler(1_023)), tooMany, String(peer))
    }
    t.same(identityOf('10.0.0.1', filler(999)), noUser)
  })

  t.end()
})

t.test('[G-B20] an untrusted peer names no user', async t => {
  for (const identityOf of [gatewayHeaders(plain), gatewayHeaders(withSecret)]) {
    for (const peer of untrusted) {
      t.same(identityOf(peer, []), untrustedPeer, String(peer))
      t.same(
        identityOf(peer, ['Host', 'a.example', 'X-Forwarded-For', '10.0.0.1', 'X-Real-IP', '10.0.0.1']),
        untrustedPeer,
        String(peer)
      )
      for (const name of ['X-Forwarded-User', 'x-forwarded-user']) {
        for (const value of ['alice', 'alice, bob', '']) {
          t.same(identityOf(peer, [name, value]),
            {
              refused: 400,
              reason: 'header "X-Forwarded-User" comes from a peer that is not one of trustedProxies'
            }, `${name}: ${value} from ${String(peer)}`)
        }
      }
      t.same(identityOf(peer, ['X-Forwarded-Groups', 'admin']),
        {
          refused: 400,
          reason: 'header "X-Forwarded-Groups" comes from a peer that is not one of trustedProxies'
        }, String(peer))
      t.same(
        identityOf(peer, ['X-Forwarded-User', 'alice', 'X-Forwarded-User', 'alice']),
        repeated,
        String(peer)
      )
      for (const name of otherSpellings) {
        t.same(identityOf(peer, [name, 'alice']), spelledOtherwise, `${name} from ${String(peer)}`)
      }
    }
  }
  for (const peer of untrusted) {
    t.same(gatewayHeaders(withSecret)(peer, ['X-Gateway-Secret', SECRET]),
      {
        refused: 400,
        reason: 'header "X-Gateway-Secret" comes from a peer that is not one of trustedProxies'
      }, 'the secret alone makes no proxy')
    t.match(
      gatewayHeaders(withSecret)(peer, ['X-Gateway-Secret', SECRET, 'X-Forwarded-User', 'alice']),
      { refused: 400 },
      String(peer)
    )
  }
})

t.test('[G-B20] Node hands over the headers as these rules need them', async t => {
  const identityOf = gatewayHeaders({ ...plain, trustedProxies: ['127.0.0.1'] })
  const server = createServer((request, response) => {
    response.end(JSON.stringify(identityOf(request.socket.remoteAddress, request.rawHeaders)))
  })
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  async function send (headers: string[]): Promise<{ status: number | undefined, answer: unknown }> {
    const sent = request({
      port,
      host: '127.0.0.1',
      headers: [
        'Host',
        'a.example',
        'Connection',
        'close',
        ...headers
      ] as unknown as NodeJS.ReadOnlyDict<string>,
      agent: false
    })
    sent.end()
    const [response] = await once(sent, 'response') as [IncomingMessage]
    let body = ''
    for await (const chunk of response) body += String(chunk)
    return { status: response.statusCode, answer: response.statusCode === 200 ? JSON.parse(body) : undefined }
  }

  t.same(await send(['X-Forwarded-User', 'alice']), { status: 200, answer: { userId: 'alice', roles: [] } })
  t.same(await send(['X-Forwarded-User', 'root', 'x-forwarded-user', 'alice']), {
    status: 200,
    answer: repeated
  })
  t.same(await send(['X-Forwarded-User', 'alice', 'X_Forwarded_User', 'root']), {
    status: 200,
    answer: spelledOtherwise
  })
  t.same(await send(['X-Forwarded-User', 'alic\u00e9']), { status: 200, answer: noUserId })
  const { status, answer } = await send([...filler(1_100), 'X-Forwarded-User', 'alice'])
  // Newer releases of Node refuse such a request themselves.
  if (status !== 431) t.same({ status, answer }, { status: 200, answer: tooMany })
})
