/** The claims of a client in the headers of the matrix; none of them is true. */
const lies = {
  'X-Forwarded-For': ['203.0.113.66', '203.0.113.67'],
  'X-Real-IP': ['203.0.113.66', '203.0.113.67'],
  Forwarded: ['for=203.0.113.66;proto=gopher;host=evil.example', 'for=203.0.113.67'],
  'True-Client-IP': ['203.0.113.66', '203.0.113.67'],
  'CF-Connecting-IP': ['203.0.113.66', '203.0.113.67'],
  'X-Client-IP': ['203.0.113.66', '203.0.113.67'],
  'X-Forwarded-Host': ['evil.example', 'worse.example'],
  'X-Forwarded-Proto': ['gopher', 'finger'],
  'X-Forwarded-User': ['root', 'admin'],
  'X-Forwarded-Email': ['root@evil.example', 'admin@evil.example'],
  'X-Forwarded-Groups': ['admin', 'superadmin'],
  'X-Auth-Request-User': ['root', 'admin'],
  'X-Auth-Request-Email': ['root@evil.example', 'admin@evil.example'],
  // The right one: it may have leaked.
  'X-Gateway-Secret': ['correct-horse-battery-staple', 'correct-horse-battery-staple']
} as const satisfies Record<string, readonly [string, string]>

type HeaderName = keyof typeof lies
const names = Object.keys(lies) as HeaderName[]

/** The gateway's secret, which the clients of the matrix know. */
export const gatewaySecret = lies['X-Gateway-Secret'][0]

/** How a header can be spelled so that one program takes it for another header and the next does not. */
const spellings = {
  plain: name => name,
  case: name => name.replaceAll(/[a-z]+/g, (word, at: number) => at % 2 === 0 ? word.toUpperCase() : word),
  underscore: name => name.replaceAll('-', '_'),
  mixed: name => name.replace(/-(?=[^-]*$)/, '_'),
  dot: name => name.replaceAll('-', '.'),
  space: name => `${name} `
} as const satisfies Record<string, (name: string) => string>

type Spelling = keyof typeof spellings

/** One request with which a client tries to be another user. */
export interface Attempt {
  readonly title: string
  /** Lines of the request's head, beside those that every upgrade has. */
  readonly headers: readonly string[]
  /** The value of `Connection`, which can name headers that a proxy then removes. */
  readonly connection: string
}

function attempt (title: string, headers: readonly string[], connection = 'Upgrade'): Attempt {
  return { title, headers, connection }
}

/**
 * Headers that say nothing: what counts is how many there are. Short, so that the head stays below the 16 KiB
 * that Node takes; and by a proxy that sorts headers (Caddy) they are put before `X-…`, behind what makes the
 * request an upgrade.
 */
function fillers (count: number): string[] {
  return Array.from({ length: count }, (_, i) => `w${i.toString(36)}:`)
}

function spelled (name: HeaderName, spelling: Spelling, values: readonly string[]): Attempt {
  const sent = spellings[spelling](name)
  return attempt(
    `${name}, ${spelling}, ${values.length === 1 ? 'once' : 'twice'}`,
    values.map(value => `${sent}: ${value}`)
  )
}

/** All that a client can claim at once. */
const everything = names.map(name => `${name}: ${lies[name][0]}`)

/** The request of a client that claims nothing. */
export const honest: Attempt = attempt('nothing', [])

/** Attempts that are not about one header. */
const together: readonly Attempt[] = [
  attempt('every header at once', everything),
  attempt(
    'every header at once, in the spelling of CGI',
    everything.map(line => line.replace(/^[^:]+/, spellings.underscore))
  ),
  attempt('two spellings of the user', ['X_Forwarded_User: root', 'X-Forwarded-User: admin']),
  attempt('the user and the secret', ['X-Forwarded-User: root', `X-Gateway-Secret: ${gatewaySecret}`]),
  attempt('the proxy\'s own address', ['X-Forwarded-For: 127.0.0.1', 'X-Real-IP: 127.0.0.1']),
  attempt(
    'the headers of the proxy named in Connection',
    [],
    'Upgrade, X-Real-IP, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Forwarded-User, ' +
      'X-Forwarded-Groups, X-Gateway-Secret'
  ),
  attempt(
    'headers and their names in Connection',
    everything,
    'Upgrade, X-Real-IP, X-Forwarded-For, X-Forwarded-User, X-Gateway-Secret'
  ),
  attempt('an address in two lines of one header', ['X-Forwarded-For: 203.0.113.66,', ' 203.0.113.67']),
  ...[900, 990, 1_100, 2_000].flatMap(count => [
    attempt(`${count} headers`, fillers(count)),
    attempt(`${count} headers before a lie`, [...fillers(count), ...everything.slice(0, 2)]),
    attempt(`${count} headers behind a lie`, [...everything.slice(0, 2), ...fillers(count)])
  ])
]

/** The whole matrix: each header in each spelling, once and twice, and what is more than one header. */
export const allAttempts: readonly Attempt[] = [
  ...names.flatMap(name =>
    (Object.keys(spellings) as Spelling[]).flatMap(spelling => [
      spelled(name, spelling, lies[name].slice(0, 1)),
      spelled(name, spelling, lies[name])
    ])
  ),
  ...together
]

/**
 * The part of it that each change is tried with: the headers that the tests' services read, and what is more
 * than one header.
 */
export const someAttempts: readonly Attempt[] = [
  ...(['X-Forwarded-For', 'X-Real-IP', 'X-Forwarded-User', 'X-Gateway-Secret'] as const).flatMap(name =>
    (Object.keys(spellings) as Spelling[]).map(spelling =>
      spelled(name, spelling, spelling === 'case' ? lies[name] : lies[name].slice(0, 1))
    )
  ),
  ...together
]
