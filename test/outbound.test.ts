import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { TestClient } from './support/client.js'
import { testDatabase } from './support/postgres.js'
import { projectFile } from './support/project-file.js'
import { temporaryDirectory } from './support/temporary-directory.js'

const fixture = fileURLToPath(new URL('./fixtures/recording-server.js', import.meta.url))

/** Serves in a process of its own, and returns where that process has connected to by the end. */
async function connectionsOf (
  t: Test,
  args: readonly string[],
  use: (client: TestClient) => Promise<unknown>
): Promise<string[]> {
  const child = fork(fixture, args, { execArgv: process.execArgv })
  t.teardown(() => { child.kill('SIGKILL') })
  const [{ port }] = await once(child, 'message') as [{ port: number }]
  const client = await TestClient.open(t, `ws://127.0.0.1:${port}`)
  await use(client)
  for (const path of ['/healthz', '/livez', '/readyz', '/metrics']) {
    await (await fetch(`http://127.0.0.1:${port}${path}`)).text()
  }
  const told = once(child, 'message')
  const exited = once(child, 'exit')
  child.send('stop')
  const [{ ended, all }] = await told as [{ ended: string[], all: string[] }]
  await exited
  t.ok(
    all.length > ended.length && all.at(-1) === `127.0.0.1:${port}`,
    'a connection is seen when there is one'
  )
  return ended
}

t.test('a service connects to nothing that it is not told to', async t => {
  const path = join(temporaryDirectory(t), 'audit.jsonl')
  const connected = await connectionsOf(t, [path], async client => {
    await client.ask('identity.loginWithSecret', { secret: 'a secret of the administrators' })
    await client.ask('identity.createUser', { username: 'alice', password: 'a long enough password' })
    await client.ask('store.insert', { bucket: 'items', data: { n: 1 } })
    await client.ask('store.all', { bucket: 'items' })
    await client.ask('rules.emit', { topic: 'order.created', data: {} })
    await client.ask('server.stats')
    await client.ask('audit.query', {})
  })
  t.same(connected, [])
})

t.test('with the address of keys and a database, it connects to these', async t => {
  const { connectionString } = await testDatabase(t)
  const issuer = createServer((_request, response) => { response.end(JSON.stringify({ keys: [] })) })
  issuer.listen(0, '127.0.0.1')
  await once(issuer, 'listening')
  t.teardown(() => { issuer.close() })
  const { port } = issuer.address() as AddressInfo
  const database = new URL(connectionString)
  const path = join(temporaryDirectory(t), 'audit.jsonl')
  const args = [path, `http://127.0.0.1:${port}/keys`, connectionString]
  // Signed with a key that only the issuer could know.
  const claims = { iss: 'https://issuer.example', aud: 'api', sub: 'alice', exp: 4_000_000_000 }
  const token = [{ alg: 'RS256', kid: 'k' }, claims, 'signature']
    .map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  const connected = await connectionsOf(
    t,
    args,
    async client => { await client.code('auth.login', { token }) }
  )
  t.same(
    [...new Set(connected)].sort(),
    [`127.0.0.1:${port}`, `${database.hostname}:${database.port}`].sort()
  )
})

/** Words in the code with which a program reaches others: modules, functions and classes. */
const clients = new RegExp([
  /from '(node:(?:net|tls|https?|http2|dgram|dns|child_process|inspector|cluster)[^']*)'/,
  /\b(fetch|WebSocket|EventSource|XMLHttpRequest|sendBeacon)\(/,
  /import\('([^']+)'\)/,
  /\brequire(?:From\([^)]*\))?\('([^']+)'\)/,
  /\b(getBuiltinModule|dlopen)\b/
].map(({ source }) => source).join('|'), 'g')

/** Where the code may have some, and why. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  // Whether an address is one, names of status codes, the class of a server.
  'lib/handshake/client-address.ts': ['node:net'],
  'lib/handshake/trusted-proxies.ts': ['node:net'],
  'lib/deployment/boot-advice.ts': ['node:tls'],
  'routes/http.ts': ['node:http'],
  // A socket with a path, by which the processes of one machine know who writes a file.
  'packages/journal/src/file-lock.ts': ['node:net'],
  // The database and the issuer's keys, where the options name them.
  'lib/postgres/connection.ts': ['node:net', 'pg'],
  'lib/auth/jwks.ts': ['fetch'],
  // Packages that are there only when they are wanted.
  'lib/identity/password-key.ts': ['@node-rs/argon2'],
  'lib/metrics/exposition.ts': ['prom-client'],
  // Only with the option cluster.
  'lib/service/start-parts.ts': ['../cluster/membership.js'],
  // The commands, each of which is loaded when it is called; the port of the demo, and what it runs.
  'lib/cli/main.ts': [
    './demo.js', './serve/serve.js', './connect/connect.js', './call.js', './watch.js', './types.js',
    './audit-tail.js', './audit-query.js', './audit-verify.js', './store-backup.js', './store-restore.js',
    './store-verify.js', './store-compact.js', './import.js'
  ],
  'lib/cli/demo.ts': ['node:net', '../../example-app/app.js', '../../example-app/store.js'],
  'lib/cli/connect/connect.ts': ['../../operations/registry.js'],
  // The client of the package, which no server loads: lint holds that.
  'lib/client/client.ts': ['./http-transport.js', './tab-transport.js'],
  'lib/client/ending.ts': ['./remedies.js'],
  'lib/client/http-transport.ts': ['fetch'],
  'lib/client/lazy-login.ts': ['./login.js'],
  'lib/client/live-queries.ts': ['./optimistic.js'],
  'lib/client/preload.ts': ['fetch'],
  // The page of the console.
  'lib/console/start.ts': ['./main.js']
}

t.test('the code has no client besides these', t => {
  const root = projectFile('.')
  const found: Record<string, string[]> = {}
  const folders = [
    'lib', 'routes', 'packages/journal/src', 'packages/noex-store/src', 'packages/noex-rules/src'
  ]
  for (const folder of folders) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue
      const file = join(entry.parentPath, entry.name)
      const code = readFileSync(file, 'utf8')
        .replaceAll(/^import type .*$/gm, '')
        .replaceAll(/typeof import\('[^']+'\)/g, '')
      const words = [...code.matchAll(clients)].map(
        match => match.slice(1).find(word => word !== undefined) as string
      )
      if (words.length > 0) found[relative(root, file)] = [...new Set(words)]
    }
  }
  t.same(found, allowed)
  t.end()
})
