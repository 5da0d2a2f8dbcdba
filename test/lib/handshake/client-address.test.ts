import { isIPv4 } from 'node:net'
import t from 'tap'
import fc from 'fast-check'
import {
  addressKey, clientAddress, plainAddress, readAddress
} from '../../../lib/handshake/client-address.js'
import { trustedProxyMatcher } from '../../../lib/handshake/trusted-proxies.js'
import { RUNS, groups, refuses, spell } from '../../support/addresses.js'

t.test('plainAddress', t => {
  t.test('gives each client one spelling', async t => {
    const table: ReadonlyArray<readonly [address: string | undefined, plain: string]> = [
      ['10.0.0.1', '10.0.0.1'],
      ['255.255.255.255', '255.255.255.255'],
      ['::ffff:10.0.0.1', '10.0.0.1'],
      ['::FFFF:10.0.0.1', '10.0.0.1'],
      ['::ffff:a00:1', '10.0.0.1'],
      ['0:0:0:0:0:ffff:0a00:0001', '10.0.0.1'],
      ['::ffff:10.0.0.1%eth0', '10.0.0.1'],
      ['::ffff:0.0.0.0', '0.0.0.0'],
      ['::ffff:0.0.0.1', '0.0.0.1'],
      ['::1', '::1'],
      ['0:0:0:0:0:0:0:1', '::1'],
      ['::', '::'],
      ['2001:DB8::ABCD', '2001:db8::abcd'],
      ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
      ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
      ['fe80::1%eth0', 'fe80::1'],
      ['fe80::1%3', 'fe80::1'],
      ['fe80::1%br_lan', 'fe80::1'],
      // IPv4-compatible, IPv4-translated and NAT64 addresses are no mapped ones.
      ['::10.0.0.1', '::a00:1'],
      ['::ffff:0:10.0.0.1', '::ffff:0:a00:1'],
      ['64:ff9b::10.0.0.1', '64:ff9b::a00:1'],
      [undefined, 'unknown'],
      ['unknown', 'unknown'],
      ['', ''],
      ['Some.Text', 'Some.Text'],
      ['010.0.0.1', '010.0.0.1'],
      ['1.2.3.4:80', '1.2.3.4:80'],
      ['x'.repeat(65), 'x'.repeat(64)]
    ]
    for (const [address, plain] of table) t.equal(plainAddress(address), plain, String(address))
  })

  t.test('is the same for all spellings of an address, and stays what it is', async t => {
    t.doesNotThrow(() => {
      fc.assert(
        fc.property(groups, fc.boolean(), fc.boolean(), fc.boolean(), (groups, upper, padded, dotted) => {
          const plain = plainAddress(spell(groups, upper, padded, dotted))
          return plain === plainAddress(spell(groups, false, true, false)) && plain === plainAddress(plain)
        }),
        RUNS
      )
    })
  })

  t.test('is another one for another address', async t => {
    t.doesNotThrow(() => {
      fc.assert(fc.property(groups, fc.nat(7), fc.integer({ min: 1, max: 0xffff }), (groups, at, change) => {
        const others = groups.map((group, i) => i === at ? group ^ change : group)
        return (
          plainAddress(spell(groups, false, false, false)) !==
          plainAddress(spell(others, false, false, false))
        )
      }), RUNS)
    })
  })

  t.end()
})

t.test('readAddress', t => {
  t.test('takes off what proxies write around an address', async t => {
    const table: ReadonlyArray<readonly [text: string, address: string]> = [
      ['203.0.113.7', '203.0.113.7'],
      ['203.0.113.7:50001', '203.0.113.7'],
      ['203.0.113.7:0', '203.0.113.7'],
      ['203.0.113.7:65535', '203.0.113.7'],
      ['2001:db8::1', '2001:db8::1'],
      ['[2001:db8::1]', '2001:db8::1'],
      ['[2001:DB8:0::1]:50001', '2001:db8::1'],
      ['[::1]:80', '::1'],
      ['::ffff:203.0.113.7', '203.0.113.7'],
      ['::ffff:203.0.113.7:50001', '203.0.113.7'],
      ['[::ffff:203.0.113.7]:50001', '203.0.113.7'],
      ['[::ffff:cb00:7107]', '203.0.113.7'],
      ['fe80::1%eth0', 'fe80::1'],
      ['fe80::1%br_lan', 'fe80::1'],
      ['[fe80::1%25eth0]:443', 'fe80::1'],
      // An IPv6 address without brackets has no port.
      ['2001:db8::1:4711', '2001:db8::1:4711']
    ]
    for (const [text, address] of table) t.equal(readAddress(text), address, text)
  })

  t.test('knows no address in any other text', async t => {
    const others = [
      '', ' ', 'unknown', '_hidden', '_SEVKISEK', 'for=203.0.113.7', 'for="[2001:db8::1]:4711"',
      '"203.0.113.7"', 'localhost', 'client.example', 'client.example:80', '203.0.113.7, 10.0.0.1',
      '203.0.113.7 ', ' 203.0.113.7', '203.0.113.7:', '203.0.113.7:_port', '203.0.113.7:123456',
      '203.0.113.7:-1', '203.0.113.7:65536', '203.0.113.7:99999', '[2001:db8::1]:65536',
      '203.0.113.7:80:80',
      '203.0.113.7/24', '203.0.113.07', '203.0.113', '0xcb007107', '203.0.113.7%eth0', '203.0.113.7\n',
      '[203.0.113.7]:80', '[203.0.113.7]', '[]', '[]:80', '[::1', '::1]', '[::1]]', '[[::1]]', '[::1]80',
      '[::1]:',
      '[::1]:a', '2001:db8::1:50001', '1::2::3', '::1%', '::1%eth0%eth1', '%eth0', '::1%a b',
      'javascript:alert(1)', `${'0'.repeat(60)}::1`, '1.'.repeat(8_000), ':'.repeat(16_000)
    ]
    for (const text of others) t.equal(readAddress(text), undefined, JSON.stringify(text.slice(0, 40)))
  })

  t.test('reads every spelling of an address with and without port as plainAddress spells it', async t => {
    t.doesNotThrow(() => {
      const flags = fc.tuple(fc.boolean(), fc.boolean(), fc.boolean())
      fc.assert(fc.property(groups, flags, fc.nat(0xffff), (groups, flags, port) => {
        const text = spell(groups, ...flags)
        const plain = plainAddress(text)
        const withPort = isIPv4(plain) ? `${plain}:${port}` : `[${plain}]:${port}`
        const wrapped = [text, `[${text}]`, `[${text}]:${port}`, plain, withPort]
        return wrapped.every(written => readAddress(written) === plain)
      }), RUNS)
    })
  })

  t.test('does not read two addresses as one, and nothing but text of an address', async t => {
    t.doesNotThrow(() => {
      fc.assert(fc.property(fc.string({ maxLength: 70 }), text => {
        const address = readAddress(text)
        return address === undefined || plainAddress(address) === address
      }), RUNS)
    })
  })
  t.end()
})

t.test('addressKey counts IPv4 by address and IPv6 by /64', async t => {
  const table: ReadonlyArray<readonly [address: string | undefined, key: string]> = [
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
    ['2001:db8:1:3::1', '2001:db8:1:3::/64'],
    ['2001:db8::1', '2001:db8::/64'],
    ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
    ['::1', '::/64'],
    ['fe80::1%eth0', 'fe80::/64'],
    [undefined, 'unknown'],
    ['unknown', 'unknown'],
    ['x'.repeat(16_000), 'x'.repeat(64)]
  ]
  for (const [address, key] of table) t.equal(addressKey(address), key, String(address).slice(0, 40))

  fc.assert(fc.property(groups, fc.integer({ min: 4, max: 7 }), fc.nat(0xffff), (groups, at, other) => {
    const neighbour = groups.map((group, i) => i === at ? other : group)
    const [address, next] = [groups, neighbour].map(groups => spell(groups, false, false, false))
    return (
      isIPv4(plainAddress(address)) || isIPv4(plainAddress(next)) || addressKey(address) === addressKey(next)
    )
  }), RUNS)
})

t.test('[G-D7] clientAddress', t => {
  const addressOf = clientAddress(
    'X-Real-IP',
    trustedProxyMatcher(['10.0.0.0/8', 'fd00::1'], 'trustedProxies')
  )
  const trusted = ['10.0.0.1', '::ffff:10.0.0.1', 'fd00::1', 'FD00:0:0:0:0:0:0:1']
  const untrusted = ['11.0.0.1', '::ffff:11.0.0.1', '127.0.0.1', '::1', 'fd00::2', undefined]

  t.test('is the address that a trusted peer names, in canonical form', async t => {
    const table: ReadonlyArray<readonly [value: string, address: string]> = [
      ['203.0.113.9', '203.0.113.9'],
      ['::ffff:203.0.113.9', '203.0.113.9'],
      ['2001:DB8:0:0::1', '2001:db8::1'],
      ['fe80::1%eth0', 'fe80::1'],
      ['203.0.113.9:4711', '203.0.113.9'],
      ['[2001:db8::1]', '2001:db8::1'],
      ['[2001:DB8::1]:4711', '2001:db8::1'],
      ['[::ffff:203.0.113.9]:4711', '203.0.113.9']
    ]
    for (const peer of trusted) {
      for (const name of ['X-Real-IP', 'x-real-ip', 'X-REAL-IP']) {
        for (const [value, address] of table) {
          t.same(
            addressOf(peer, ['Host', 'a.example', name, value, 'X-Forwarded-For', '6.6.6.6']),
            { address },
            `${name}: ${value} from ${peer}`
          )
        }
      }
    }
  })

  t.test('is the peer where a trusted peer does not name one', async t => {
    for (const peer of trusted) {
      t.same(
        addressOf(peer, ['X-Forwarded-For', '6.6.6.6', 'X-Real-IP-2', '6.6.6.6', 'Forwarded', 'for=6.6.6.6']),
        { address: plainAddress(peer) },
        peer
      )
      t.same(addressOf(peer, []), { address: plainAddress(peer) }, peer)
    }
  })

  t.test('is the peer where an untrusted peer sends headers', async t => {
    const lists = [
      [],
      ['X-Real-IP', '10.0.0.1'],
      ['X-Real-IP', ''],
      ['X_Real_IP', '10.0.0.1'],
      ['X-Real-IP', '10.0.0.1', 'X-Real-IP', '10.0.0.2']
    ]
    for (const peer of untrusted) {
      for (const rawHeaders of lists) {
        t.same(
          addressOf(peer, rawHeaders),
          { address: plainAddress(peer) },
  `${JSON.stringify(rawHeaders)} from ${String(peer)}`
        )
      }
    }
  })

  t.test('is refused where a trusted peer does not name it clearly', async t => {
    const bad = [
      '', ' ', '203.0.113.9 ', 'unknown', 'client.example', '203.0.113.9, 10.0.0.1', '203.0.113.9,10.0.0.1',
      '203.0.113.9 10.0.0.1',
      '203.0.113.9:', '203.0.113.9:port', '[2001:db8::1]:', '[203.0.113.9]', '203.0.113', '203.0.113.09',
      '0xcb.0.113.9', '3405803785', '203.0.113.0/24',
      'for=203.0.113.9', '"203.0.113.9"', '::1%', '::1%, 203.0.113.9', '::1, 203.0.113.9', '2001:db8::1::2',
      '::1'.padEnd(16_000, '0')
    ]
    for (const peer of trusted) {
      for (const value of bad) {
        const answer = addressOf(peer, ['X-Real-IP', value])
        t.same(
          answer,
          { refused: 400, reason: 'header "X-Real-IP" is not one IP address' },
          JSON.stringify(value.slice(0, 40))
        )
      }
      for (const name of ['X_Real_IP', 'X.Real.IP', 'XRealIP', 'x-real_ip', 'X-Real-IP-', 'X--Real-IP']) {
        const refusal = { refused: 400, reason: 'header "X-Real-IP" is there in another spelling' }
        t.same(addressOf(peer, [name, '203.0.113.9']), refusal, name)
        t.same(addressOf(peer, ['X-Real-IP', '203.0.113.9', name, '203.0.113.9']), refusal, name)
        t.same(addressOf(peer, [name, '203.0.113.9', 'X-Real-IP', '203.0.113.9']), refusal, name)
      }
      for (const name of ['X-Real-IP', 'x-real-ip']) {
        t.same(addressOf(peer, [name, '203.0.113.9', 'Host', 'a.example', 'X-Real-IP', '203.0.113.9']),
          { refused: 400, reason: 'header "X-Real-IP" is there more than once' }, name)
      }
      t.same(addressOf(peer, Array<string[]>(1_000).fill(['A', 'b']).flat()), {
        refused: 400,
        reason: 'the request has 1000 headers or more'
      })
      t.same(addressOf(peer, Array<string[]>(999).fill(['A', 'b']).flat()), { address: plainAddress(peer) })
    }
  })

  t.test('needs the name of a header that proxies can set', async t => {
    const isTrusted = trustedProxyMatcher(['10.0.0.1'], 'trustedProxies')
    for (const name of ['x-real-ip', 'X-Forwarded-For', 'CF-Connecting-IP', 'True-Client-IP']) {
      t.ok(clientAddress(name, isTrusted), name)
    }
    for (const name of [
      '',
      'X Real IP',
      'X-Real-IP:',
      'X-Réal-IP',
      'x-real-ip\r\n',
      '-',
      '_',
      undefined,
      null,
      true,
      1,
      ['X-Real-IP']
    ]) {
      refuses(
        t,
        () => clientAddress(name as string, isTrusted),
        'realIpHeader',
        'must be the name of a header',
        JSON.stringify(name) ?? 'undefined'
      )
    }
    for (const name of [
      'Host', 'origin', 'Cookie', 'Connection', 'Upgrade', 'Forwarded', 'Sec-WebSocket-Key',
      'sec_websocket_key', 'User_Agent'
    ]) {
      refuses(t, () => clientAddress(name, isTrusted), 'realIpHeader', 'must not be', name)
    }
  })

  t.test('never comes from the headers of an untrusted peer', async t => {
    const name = fc.constantFrom(
      'X-Real-IP',
      'x-real-ip',
      'X_Real_IP',
      'X-Forwarded-For',
      'Forwarded',
      'Connection'
    )
    const value = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string())
    t.doesNotThrow(() => {
      fc.assert(
        fc.property(
          fc.constantFrom(...untrusted),
          fc.array(fc.tuple(name, value), { maxLength: 6 }),
          (peer, headers) => {
            const answer = addressOf(peer, headers.flat())
            return 'address' in answer && answer.address === plainAddress(peer)
          }
        ),
        RUNS
      )
    })
  })

  t.end()
})
