import t from 'tap'
import { resolveOptions, resolveUrl } from '../../../lib/client/client-options.js'

t.test('has defaults, and takes what is given', async t => {
  t.same(resolveOptions({}), {
    timeoutMs: 10_000, connectTimeoutMs: 10_000, minDelayMs: 500, maxDelayMs: 30_000, lingerMs: 5_000
  })
  t.match(resolveOptions({ timeoutMs: Infinity, lingerMs: 0, tabs: 'alice', fallback: false }), {
    timeoutMs: Infinity, lingerMs: 0, tabs: 'alice', fallback: false
  })
  t.match(resolveOptions({ fallback: { rpc: '/rpc', events: '/events' } }), { fallback: { rpc: '/rpc' } })
})

t.test('an option that is undefined is absent', async t => {
  t.equal(resolveOptions({ timeoutMs: undefined } as object).timeoutMs, 10_000)
})

t.test('an option that is wrong is named, with what is right', async t => {
  const wrong: Array<[object, RegExp]> = [
    [{ heartbeatMs: '30s' }, /heartbeatMs is no option, or no milliseconds above 0/],
    [{ timeoutMs: -1 }, /timeoutMs is no option, or no milli/],
    [{ minDelayMs: NaN }, /minDelayMs is no option, or no milli/],
    [{ maxDelayMs: 0 }, /maxDelayMs is no option, or no milli/],
    [{ lingerMs: -1 }, /lingerMs is no option, or no milli/],
    [{ connectTimeoutMs: null }, /connectTimeoutMs is no option, or no milli/],
    [{ token: 'x' }, /token is no option/],
    [{ constructor: 1 }, /constructor is no option/],
    [{ toString: () => '' }, /toString is no option/]
  ]
  for (const [options, message] of wrong) {
    t.throws(() => resolveOptions(options), { message }, String(message))
  }
})

t.test('makes every good URL that of a WebSocket', async t => {
  const good: Array<[string | URL, string]> = [
    ['wss://h/live', 'wss://h/live'],
    ['ws://h:8080', 'ws://h:8080/'],
    ['https://h/a/live', 'wss://h/a/live'],
    ['HTTP://h', 'ws://h/'],
    ['wss://h?room=1', 'wss://h/?room=1'],
    ['wss://h/live#part', 'wss://h/live'],
    ['ws://[::1]:80/x', 'ws://[::1]:80/x'],
    [new URL('http://h/live'), 'ws://h/live']
  ]
  for (const [url, expected] of good) t.equal(resolveUrl(url), expected)
})

t.test('a relative URL is that of the page', async t => {
  const globals = globalThis as { location?: { href: string } }
  globals.location = { href: 'https://shop.example/desk/index.html?a=1' }
  t.teardown(() => { delete globals.location })
  t.equal(resolveUrl('/live'), 'wss://shop.example/live')
  t.equal(resolveUrl('live'), 'wss://shop.example/desk/live')
  t.equal(resolveUrl('ws://other.example/'), 'ws://other.example/')
})

t.test('any other URL is refused, with an example of a good one', async t => {
  for (const url of ['', 'live', '/live', 'ftp://h/', 'localhost:8080', 'wss://', 'ws:/h', undefined, 5, {}]) {
    t.throws(() => resolveUrl(url as string), { message: /no URL like wss:\/\// }, String(url))
  }
})

