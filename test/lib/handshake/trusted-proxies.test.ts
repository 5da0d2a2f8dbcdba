import { BlockList, isIPv4 } from 'node:net'
import t from 'tap'
import fc from 'fast-check'
import { plainAddress } from '../../../lib/handshake/client-address.js'
import { trustedProxyMatcher } from '../../../lib/handshake/trusted-proxies.js'
import { sampled } from '../../support/sampled.js'
import { RUNS, dotted, groups, refuses, spell } from '../../support/addresses.js'

t.test('trustedProxyMatcher', t => {
  t.test('finds peers in addresses and networks', async t => {
    const table: ReadonlyArray<
      readonly [
        entry: string,
        inside: ReadonlyArray<string | undefined>,
        outside: ReadonlyArray<string | undefined>
      ]
    > = [
      [
        '10.0.0.0/8',
        ['10.0.0.0', '10.255.255.255', '::ffff:10.0.0.1', '::ffff:a00:1'],
        ['9.255.255.255', '11.0.0.0', '::ffff:11.0.0.1', '::a00:1', 'a00::']
      ],
      ['192.168.4.0/22', ['192.168.4.0', '192.168.7.255'], ['192.168.3.255', '192.168.8.0']],
      [
        '127.0.0.1',
        ['127.0.0.1', '::ffff:127.0.0.1', '::FFFF:7f00:1'],
        ['127.0.0.2', '::1', '127.0.0.1:80', '127.0.0.1 ']
      ],
      ['127.0.0.1/32', ['127.0.0.1'], ['127.0.0.0']],
      ['128.0.0.0/9', ['128.127.255.255'], ['128.128.0.0', '8000::']],
      ['::1', ['::1', '0:0:0:0:0:0:0:1'], ['::2', '127.0.0.1', '::ffff:127.0.0.1']],
      [
        'fc00::/7',
        ['fc00::', 'fdff:ffff::1', 'FD00::1', 'fd00::1%eth0'],
        ['fbff::1', 'fe00::1', '252.0.0.1']
      ],
      ['2001:db8::/33', ['2001:db8:7fff::1'], ['2001:db8:8000::1', '2001:db9::1']],
      ['2001:DB8::5/128', ['2001:db8::5'], ['2001:db8::4']],
      ['fe80::/10', ['fe80::1%eth0', 'fe80::1%br_lan', 'febf::1'], ['fec0::1%eth0']],
      // IPv4 peers are no part of an IPv6 network, not even of the one that their mapped notation is in.
      ['::/8', ['::1', '::a00:1'], ['10.0.0.1', '::ffff:10.0.0.1', '::ffff:8.8.8.8', '0.0.0.1']]
    ]
    for (const [entry, inside, outside] of table) {
      const isTrusted = trustedProxyMatcher([entry], 'trustedProxies')
      for (const peer of inside) t.equal(isTrusted(peer), true, `${entry} has ${String(peer)}`)
      for (const peer of [...outside, undefined, '', 'unknown', 'localhost']) {
        t.equal(isTrusted(peer), false, `${entry} does not have ${String(peer)}`)
      }
    }
    const isTrusted = trustedProxyMatcher(['10.0.0.1', '2001:db8::/32'], 'trustedProxies')
    t.same(
      ['10.0.0.1', '2001:db8::1', '10.0.0.2'].map(isTrusted),
      [true, true, false],
      'one of several is enough'
    )
  })

  t.test('refuses what is no list of addresses and networks', async t => {
    const table: ReadonlyArray<readonly [entry: unknown, problem: string]> = [
      ['localhost', 'must be an IP address'],
      ['proxy.example.com', 'must be an IP address'],
      ['loopback', 'must be an IP address'],
      ['', 'must be an IP address'],
      ['*', 'must be an IP address'],
      [' 10.0.0.1', 'must be an IP address'],
      ['10.0.0.1\n', 'must be an IP address'],
      ['10.0.0', 'must be an IP address'],
      ['10.0.0.256', 'must be an IP address'],
      ['010.0.0.1', 'must be an IP address'],
      ['10.0.0.1:80', 'must be an IP address'],
      ['[::1]', 'must be an IP address'],
      ['::1::', 'must be an IP address'],
      ['fe80::1%eth0', 'without zone'],
      ['10.0.0.0/', 'must be an IP address'],
      ['10.0.0.0/08', 'must be an IP address'],
      ['10.0.0.0/-8', 'must be an IP address'],
      ['10.0.0.0/8.0', 'must be an IP address'],
      ['10.0.0.0/8/8', 'must be an IP address'],
      ['10.0.0.0/255.0.0.0', 'must be an IP address'],
      ['10.0.0.1-10.0.0.9', 'must be an IP address'],
      ['10.0.0.1, 10.0.0.2', 'must be an IP address'],
      [1, 'must be an IP address'],
      [true, 'must be an IP address'],
      [null, 'must be an IP address'],
      [undefined, 'must be an IP address'],
      [['10.0.0.1'], 'must be an IP address'],
      ['0.0.0.0/0', 'IPv4 networks are /8 to /32'],
      ['0.0.0.0/1', 'IPv4 networks are /8 to /32'],
      ['128.0.0.0/1', 'IPv4 networks are /8 to /32'],
      ['10.0.0.0/7', 'IPv4 networks are /8 to /32'],
      ['10.0.0.0/33', 'IPv4 networks are /8 to /32'],
      ['::/0', 'IPv6 networks are /7 to /128'],
      ['8000::/1', 'IPv6 networks are /7 to /128'],
      ['2000::/3', 'IPv6 networks are /7 to /128'],
      ['fc00::/6', 'IPv6 networks are /7 to /128'],
      ['fc00::/129', 'IPv6 networks are /7 to /128'],
      ['::ffff:10.0.0.0/8', 'IPv4 in IPv6 notation'],
      ['::ffff:10.0.0.0/104', 'IPv4 in IPv6 notation'],
      ['::ffff:0:0/96', 'IPv4 in IPv6 notation'],
      ['::ffff:10.0.0.1', 'IPv4 in IPv6 notation'],
      ['0:0:0:0:0:FFFF:a00:1', 'IPv4 in IPv6 notation'],
      ['10.1.2.3/8', 'is no network'],
      ['192.168.1.1/31', 'is no network'],
      ['2001:db8::1/64', 'is no network'],
      ['fd00::1/8', 'is no network']
    ]
    for (const [entry, problem] of table) {
      refuses(
        t,
        () => trustedProxyMatcher(['10.0.0.1', entry as string], 'trustedProxies'),
        'trustedProxies[1]',
        problem,
        JSON.stringify(entry) ?? 'undefined'
      )
    }
    for (const list of [[], undefined, null, '10.0.0.1', { 0: '10.0.0.1', length: 1 }]) {
      refuses(
        t,
        () => trustedProxyMatcher(list as string[], 'auth.gateway.trustedProxies'),
        'auth.gateway.trustedProxies',
        'at least one',
        JSON.stringify(list) ?? 'undefined'
      )
    }
  })

  t.test('does not change with the list that it was built from', async t => {
    const list = ['10.0.0.1']
    const isTrusted = trustedProxyMatcher(list, 'trustedProxies')
    list[0] = '10.0.0.2'
    t.same(['10.0.0.1', '10.0.0.2'].map(isTrusted), [true, false])
  })

  t.test('agrees with the BlockList of Node', async t => {
    let inside = 0
    const cases = [fc.nat(0xffffffff), fc.integer({ min: 8, max: 32 }), fc.nat(31), fc.boolean()] as const
    fc.assert(fc.property(...cases, (address, length, flip, mapped) => {
      const network = dotted(Number(BigInt(address) >> BigInt(32 - length) << BigInt(32 - length)))
      const peer = dotted(Number(BigInt(address) ^ 1n << BigInt(flip)))
      const list = new BlockList()
      list.addSubnet(network, length, 'ipv4')
      const expected = list.check(peer, 'ipv4')
      if (expected) inside++
      return (
        trustedProxyMatcher([`${network}/${length}`], 'list')(mapped ? `::ffff:${peer}` : peer) === expected
      )
    }), RUNS)
    fc.assert(fc.property(groups, fc.integer({ min: 7, max: 128 }), fc.nat(127), (groups, length, flip) => {
      // BlockList takes IPv4 addresses for IPv6 ones too: compare outside of the network of these.
      const value = [0x2001, ...groups.slice(1)].reduce((value, group) => value << 16n | BigInt(group), 0n)
      const network = hexadecimal(value >> BigInt(128 - length) << BigInt(128 - length))
      const peer = hexadecimal(value ^ 1n << BigInt(flip))
      const list = new BlockList()
      list.addSubnet(network, length, 'ipv6')
      const expected = list.check(peer, 'ipv6')
      if (expected) inside++
      return (
        isIPv4(plainAddress(peer)) || trustedProxyMatcher([`${network}/${length}`], 'list')(peer) === expected
      )
    }), RUNS)
    t.ok(inside > sampled(200), 'many of the peers were inside')
  })

  t.end()
})

function hexadecimal (value: bigint): string {
  return spell(
    Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn)),
    false,
    false,
    false
  )
}
