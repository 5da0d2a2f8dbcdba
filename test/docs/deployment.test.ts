import { join } from 'node:path'
import t from 'tap'
import { verifyTrail } from '../../lib/audit/file/verify.js'
import { checkDeployment, type NoexServer, type ServerConfig } from '../../lib/index.js'
import { TestClient } from '../support/client.js'
import { anyPort, readDocument, runSample, sample, setEnvironment, tableBelow } from '../support/documents.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const path = 'docs/deployment.md'
const document = readDocument(path)

t.test('its complete configuration leaves no advice, and serves and stops as it should', async t => {
  setEnvironment(t, 'ADMIN_SECRET', '9f1c5e0b7a3d48e2b6c4d1f0a8e7c3b5')
  const directory = temporaryDirectory(t)
  const trail = join(directory, 'audit.jsonl')
  const change = (code: string): string => `let config\n${anyPort(code)}`
    .replace('NoexServer.start({', 'NoexServer.start(config = {')
    .replace('\'data\'', JSON.stringify(directory))
    .replace('\'audit/audit.jsonl\'', JSON.stringify(trail))
    .replace('drainDelayMs: 5_000', 'drainDelayMs: 1')
  const before = { SIGTERM: process.listeners('SIGTERM'), SIGINT: process.listeners('SIGINT') }
  const names = ['server', 'stop', 'config']
  const { server, stop, config: options } = await runSample(t, path, 'production', names, change) as {
    server: NoexServer, stop: () => Promise<void>, config: ServerConfig
  }
  t.teardown(stop)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const added = process.listeners(signal).filter(listener => !before[signal].includes(listener))
    t.equal(added.length, 1, signal)
    process.removeListener(signal, stop)
    t.same(process.listeners(signal), before[signal], 'stop is the listener')
  }
  t.same(checkDeployment(options, { production: true }), [])

  t.comment('behind a proxy')
  const headers = { 'x-real-ip': '192.0.2.7', origin: 'https://app.example.com' }
  const url = `127.0.0.1:${server.port}`
  for (const path of ['/livez', '/readyz', '/healthz']) {
    t.equal((await fetch(`http://${url}${path}`)).status, 200, path)
  }
  const client = await TestClient.open(t, `ws://${url}`, { headers })
  t.equal(server.getConnections()[0]?.remoteAddress, '192.0.2.7')
  const secret = process.env['ADMIN_SECRET']
  const { token } = await client.ask('identity.loginWithSecret', { secret }) as { token: string }
  const config = { key: 'id', schema: { id: { type: 'string', generated: 'uuid' } } }
  await client.ask('store.defineBucket', { name: 'orders', config })
  await client.ask('store.insert', { bucket: 'orders', data: {} })

  t.comment('the statistics that docs/operating.md shows')
  const answer = await fetch(`http://${url}/stats`, { headers: { authorization: `Bearer ${token}` } })
  const stats = await server.getStats()
  const shown = JSON.parse(sample('docs/operating.md', 'stats')) as unknown
  t.same(shape(shown), shape(stats), `they have the properties of ${JSON.stringify(stats)}`)
  t.same(shape(await answer.json()), shape(stats), 'GET /stats answers all of it')

  t.comment('a stop saves everything')
  const stopped = stop()
  const event = { type: 'system', event: 'shutdown', gracePeriodMs: 5_000, reconnectAfterMs: Number }
  t.match(await client.next(), event)
  client.ws.close()
  await stopped
  t.match(await verifyTrail({ files: [trail] }), { ok: true })
})

t.test('its sample of a checklist prints what is missing, and the table has all of it', async t => {
  const { lines } = await runSample(t, path, 'checklist', ['lines'], code => {
    const [line = '', ...rest] = code.split('\n')
    const print = 'const console = { log: line => { lines.push(line) } }'
    return [line, 'const lines = []', print, 'const options = { store: {}, auth: {} }', ...rest].join('\n')
  }) as { lines: string[] }
  const store = {} as ServerConfig['store']
  const gateway = { userHeader: 'X-User', trustedProxies: ['10.0.0.1'], secret: 'x' }
  const given: ServerConfig[] = [
    { store },
    { store, auth: { validate: () => null } },
    { store, auth: { validate: () => null, scrapeToken: 'x' } },
    { store, auth: { builtIn: true, adminSecret: 'x' } },
    { store, auth: { gateway }, audit: {} },
    ...['memory', 'adapter'].map(mode => ({ store: { durability: { mode } } as ServerConfig['store'] }))
  ]
  const advice = given.flatMap(options => checkDeployment(options, { production: true }))
  const all = new Set(advice.map(({ id, option }) => `${id} ${option}`))
  const rows = tableBelow(document, '| advice | option |').matchAll(/^\| `([a-z]+-[a-z-]+)` \| (.+?) \|/gm)
  const shown = [...rows].flatMap(([, id = '', options = '']) =>
    [...options.matchAll(/`([\w.]+)`/g)].map(([, option = '']) => `${id} ${option}`))
  t.same(shown.sort(), [...all].sort())
  const [first] = checkDeployment({ store, auth: { validate: () => null } })
  t.ok(lines.includes(`${first?.id} (${first?.option}): ${first?.message}`), lines[0] ?? 'it prints')
})

t.test('its excerpts are in the files', async t => {
  const excerpts = [...document.matchAll(/<!-- excerpt: (.+?) -->\n```\w*\n([^]*?)```/g)]
  t.same(excerpts.map(([, file]) => file), ['deploy/nginx.conf', 'deploy/Caddyfile'])
  for (const [, file = '', excerpt = ''] of excerpts) {
    const lines = readDocument(file).split('\n').map(line => line.trim())
    let at = 0
    for (const line of excerpt.trim().split('\n').map(line => line.trim())) {
      const found = lines.indexOf(line, at)
      t.ok(found >= at, `${file}: ${line}`)
      at = found + 1
    }
  }
})

/** Members with an item for each operation or bucket. */
const maps = new Set(['operations', 'buckets'])

/** Returns the properties of a value and their types; of a list or a map, those of its first item. */
function shape (value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shape)
  if (typeof value !== 'object' || value === null) return typeof value
  return Object.fromEntries(Object.entries(value).map(([name, item]: [string, object]) => {
    if (name === 'perBucket') return [name, 'object']
    return [name, shape(maps.has(name) ? Object.values(item) : item)]
  }))
}
