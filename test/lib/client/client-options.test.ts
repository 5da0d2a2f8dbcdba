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
  const milliseconds = 'must be a number of milliseconds above 0'
  const wrong: Array<[object, string]> = [
    [{ heartbeatMs: '30s' }, `heartbeatMs ${milliseconds}`],
    [{ timeoutMs: '5' }, `timeoutMs ${milliseconds}`],
    [{ timeoutMs: -1 }, `timeoutMs ${milliseconds}`],
    [{ minDelayMs: NaN }, `minDelayMs ${milliseconds}`],
    [{ maxDelayMs: 0 }, `maxDelayMs ${milliseconds}`],
    [{ maxDelayMs: 5n }, `maxDelayMs ${milliseconds}`],
    [{ connectTimeoutMs: null }, `connectTimeoutMs ${milliseconds}`],
    [{ lingerMs: -1 }, 'lingerMs must be 0 or a greater number'],
    [{ getToken: 'x' }, 'getToken must be a function'],
    [{ getToken: null }, 'getToken must be a function'],
    [{ WebSocket: 'x' }, 'WebSocket must be a class (a function)'],
    [{ connect: 0 }, 'connect must be a boolean'],
    [{ tabs: '' }, 'tabs must be a boolean or a non-empty string'],
    [{ fallback: 'x' }, 'fallback must be an object or false'],
    [{ fallback: true }, 'fallback must be an object or false'],
    [{ fallback: [] }, 'fallback must be an object or false'],
    [{ fallback: { rpc: '/rpc' } }, 'fallback.events must be a non-empty string'],
    [{ fallback: { rpc: 5, events: '/events' } }, 'fallback.rpc must be a non-empty string']
  ]
  for (const [options, message] of wrong) {
    t.throws(() => resolveOptions(options), { name: 'TypeError', message: `createClient: ${message}` })
  }
  for (const options of [null, 'x', [], 5] as object[]) {
    t.throws(() => resolveOptions(options), { message: 'createClient: options must be an object' })
  }
})

t.test('an option that there is not is named, with those that there are, the nearest first', async t => {
  const nearest: Array<[string, string]> = [
    ['token', 'getToken'],
    ['websocket', 'WebSocket'],
    ['timeout', 'timeoutMs'],
    ['heartbeat', 'heartbeatMs'],
    ['minDelay', 'minDelayMs'],
    ['tab', 'tabs'],
    ['constructor', ''],
    ['toString', ''],
    ['__proto__', '']
  ]
  for (const [name, first] of nearest) {
    const options = Object.defineProperty({}, name, { value: 1, enumerable: true })
    const message = new RegExp(`^createClient: there is no option ${name}: there are ${first}`)
    t.throws(() => resolveOptions(options), { message }, name)
  }
  t.throws(() => resolveOptions({ nothing: 1 } as object), {
    message: /getToken.*WebSocket|WebSocket.*getToken/
  })
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
    [new URL('http://h/live'), 'ws://h/live'],
    [' wss://h/live ', 'wss://h/live'],
    ['wss://h/my live?to=a b', 'wss://h/my live?to=a b'],
    ['wss://ünï.example/live', 'wss://ünï.example/live'],
    [{ href: 'wss://h/live' } as URL, 'wss://h/live']
  ]
  for (const [url, expected] of good) t.equal(resolveUrl('createClient', url), expected)
})

t.test('a relative URL is that of the page', async t => {
  const globals = globalThis as { location?: { href: string } }
  globals.location = { href: 'https://shop.example/desk/index.html?a=1' }
  t.teardown(() => { delete globals.location })
  t.equal(resolveUrl('createClient', '/live'), 'wss://shop.example/live')
  t.equal(resolveUrl('createClient', 'live'), 'wss://shop.example/desk/live')
  t.equal(resolveUrl('createClient', 'ws://other.example/'), 'ws://other.example/')
})

t.test('any other URL is refused at once, with an example of a good one', async t => {
  const bad = [
    'live', '/live', 'ftp://h/', 'localhost:8080', 'wss://', 'ws:/h', 'ws://localhost:99999/', 'ws://[::1/live',
    'ws://a b/', 'ws://h:port/', 'ws://%/', '   '
  ]
  for (const url of bad) {
    t.throws(() => resolveUrl('NoexClient', url), { message: /^NoexClient: .*no URL like wss:\/\// }, url)
  }
  const none = ['', undefined, null, 5, {}, [], Symbol('x'), 5n, Object.create(null), () => 'ws://h/']
  for (const url of none) {
    t.throws(() => resolveUrl('createClient', url as string), {
      name: 'TypeError', message: 'createClient: the URL must be a non-empty string'
    })
  }
})
