import t, { type Test } from 'tap'
import { gatewayHeaders } from '../../../lib/handshake/gateway-headers.js'
import type { GatewayOptions } from '../../../lib/handshake/gateway-options.js'
import { NoexOptionsError } from '../../../lib/util/option-schema.js'
import { SECRET, plain, withSecret } from '../../support/gateway-requests.js'

t.test('the options of the gateway', t => {
  function refuses (t: Test, given: unknown, path: string, problem = ''): void {
    const sentence = JSON.stringify(given) ?? 'undefined'
    try {
      gatewayHeaders(given as GatewayOptions)
    } catch (error) {
      t.ok(error instanceof NoexOptionsError, sentence)
      t.match(error, { path, message: new RegExp(problem) }, sentence)
      return
    }
    t.fail(`${sentence} is accepted`)
  }

  t.test('may be few', async t => {
    const identityOf = gatewayHeaders({
      userHeader: 'remote_user',
      rolesHeader: undefined,
      trustedProxies: ['10.0.0.1'],
      secretHeader: undefined,
      secret: undefined
    })
    t.same(identityOf('10.0.0.1', ['Remote_User', 'alice']), { userId: 'alice', roles: [] })
    t.match(identityOf('10.0.0.1', ['Remote-User', 'alice']), { refused: 400 })
    t.ok(
      gatewayHeaders({ ...plain, userHeader: 'X-Auth-Request-User', rolesHeader: 'X-Auth-Request-Groups' })
    )
    t.ok(gatewayHeaders({ ...withSecret, secret: 'x' }), 'a short secret is for a warning')
  })

  t.test('are copied', async t => {
    const given = { ...withSecret, trustedProxies: ['10.0.0.1'] }
    const identityOf = gatewayHeaders(given)
    given.trustedProxies[0] = '11.0.0.1'
    Object.assign(given, {
      userHeader: 'X-Other',
      rolesHeader: 'X-Others',
      secretHeader: 'X-Another',
      secret: 'other'
    })
    t.same(
      identityOf('10.0.0.1', [
        'X-Gateway-Secret',
        SECRET,
        'X-Forwarded-User',
        'alice',
        'X-Forwarded-Groups',
        'admin',
        'X-Other',
        'bob'
      ]),
      { userId: 'alice', roles: ['admin'] }
    )
    t.match(identityOf('11.0.0.1', ['X-Another', 'other', 'X-Other', 'bob']), { refused: 401 })
  })

  t.test('are an object with known members', async t => {
    for (const given of [undefined, null, true, 'X-Forwarded-User', []]) {
      refuses(t, given, 'auth.gateway', 'must be an object')
    }
    for (const name of ['userheader', 'user', 'trustedPeers', 'constructor', '__proto__']) {
      const given = { ...plain }
      Object.defineProperty(given, name, { value: 'x', enumerable: true })
      refuses(t, given, `auth.gateway.${name}`, 'is unknown')
    }
    refuses(t, {}, 'auth.gateway.userHeader', 'is required')
    refuses(t, { trustedProxies: ['10.0.0.1'] }, 'auth.gateway.userHeader', 'is required')
    refuses(t, { userHeader: 'X-Forwarded-User' }, 'auth.gateway.trustedProxies', 'is required')
  })

  t.test('name headers', async t => {
    for (const member of ['userHeader', 'rolesHeader', 'secretHeader'] as const) {
      const path = `auth.gateway.${member}`
      for (const name of [
        '',
        ' ',
        'X User',
        'X-User:',
        'X-User\r\n',
        'X-\u00dcser',
        'X(User)',
        '-',
        '_',
        '.-_',
        null,
        1,
        true,
        ['X-User'],
        {}
      ]) {
        refuses(t, { ...withSecret, [member]: name }, path, 'must be the name of a header')
      }
      const taken = [
        'Host', 'host', 'Origin', 'Cookie', 'Authorization', 'Proxy-Authorization', 'Connection',
        'Proxy-Connection', 'Keep-Alive', 'Upgrade', 'TE', 'Trailer',
        'Transfer-Encoding', 'Content-Length', 'Content-Type', 'User-Agent', 'Referer', 'Via', 'Forwarded',
        'Sec-WebSocket-Key', 'Sec-WebSocket-Protocol',
        'sec_websocket_version', 'User_Agent', 'H-o-s-t', 'X-Forwarded-For', 'x_forwarded_for',
        'X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Forwarded-Port', 'X-Real-IP'
      ]
      for (const name of taken) refuses(t, { ...withSecret, [member]: name }, path, 'must not be a header')
    }
    for (const name of ['X-Forwarded-User', 'x-forwarded-user', 'X_Forwarded_User', 'XForwardedUser']) {
      refuses(
        t,
        { ...withSecret, rolesHeader: name },
        'auth.gateway.rolesHeader',
        'same header as userHeader'
      )
      refuses(
        t,
        { ...withSecret, secretHeader: name },
        'auth.gateway.secretHeader',
        'same header as userHeader'
      )
    }
    refuses(
      t,
      { ...withSecret, secretHeader: 'x.forwarded.groups' },
      'auth.gateway.secretHeader',
      'same header as rolesHeader'
    )
  })

  t.test('name proxies, not all addresses', async t => {
    for (const list of [[], null, '10.0.0.1', {}]) {
      refuses(t, { ...plain, trustedProxies: list }, 'auth.gateway.trustedProxies')
    }
    for (const entry of [
      '0.0.0.0/0', '::/0', '0.0.0.0/1', '::ffff:0:0/96', '::ffff:10.0.0.0/8', 'localhost', '*', '', 1, null,
      '10.0.0.1/8'
    ]) {
      refuses(t, { ...plain, trustedProxies: ['10.0.0.1', entry] }, 'auth.gateway.trustedProxies[1]')
    }
  })

  t.test('have a secret and its header, or none of both', async t => {
    refuses(
      t,
      { ...plain, secretHeader: 'X-Gateway-Secret' },
      'auth.gateway.secret',
      'is required with secretHeader'
    )
    refuses(t, { ...plain, secret: SECRET }, 'auth.gateway.secretHeader', 'is required with secret')
    for (const secret of [
      '',
      ' ',
      'two words',
      'tab\t',
      'line\n',
      'g\u00e9heim',
      'x'.repeat(1_025),
      null,
      1,
      true,
      ['x']
    ]) {
      refuses(
        t,
        { ...withSecret, secret },
        'auth.gateway.secret',
        'must be 1 to 1,024 visible ASCII characters'
      )
    }
  })

  t.end()
})
