import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { serve } from '../../../lib/cli/serve/serve.js'
import { run } from '../../support/command-line.js'
import { shop, writeConfig } from '../../support/serve-command.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

const env = { SECRET: 'a-secret-of-at-least-32-bytes-for-HS256', EMPTY: '' }
const jwt = { secret: { $env: 'SECRET' }, algorithms: ['HS256'], issuer: 'i', audience: 'a' }

async function problemOf (t: Test, config: unknown): Promise<string | undefined> {
  const file = writeConfig(t, config)
  const { code, lines, errors } = await run(serve, ['--check', '-c', file], { env })
  if (code === 0) return undefined
  t.same([code, lines], [2, []])
  const prefix = `fastify-noex: ${file}: `
  t.ok(errors[0]?.startsWith(prefix), String(errors[0]))
  return errors[0]?.slice(prefix.length)
}

t.test('takes every kind of configuration', async t => {
  const configs: object[] = [
    {},
    shop,
    { ...shop, auth: { builtIn: true, adminSecret: { $env: 'SECRET' }, sessionTtl: 60_000 } },
    { ...shop, auth: { jwt: { ...jwt, required: false, permissions: { default: 'deny' } } } },
    {
      ...shop,
      allowedOrigins: ['https://app.example.com'],
      auth: { gateway: { userHeader: 'X-User', trustedProxies: ['10.0.0.0/8'] } }
    },
    { store: { durability: { directory: 'data', fsync: false, snapshotBytes: 4_096 } } },
    { store: { name: 's', persistence: { directory: 'data' }, ttlCheckIntervalMs: 0, maxRecordBytes: 99 } },
    { audit: { sinks: [{ jsonl: { path: 'x/audit.jsonl', keep: 3 } }] } },
    { audit: { sinks: [{ postgres: { connectionString: 'postgres://db/x', spoolPath: 'a.spool' } }] } },
    { routes: { metrics: '/metrics', rpc: '/rpc' }, rateLimit: { maxRequests: 1, windowMs: 1 } },
    { procedures: { definitions: [{ name: 'p', steps: [{ action: 'return', value: 1 }] }] } },
    { trustProxy: ['10.0.0.1'], logLevel: 'silent', host: '::1', rules: [], helmet: false }
  ]
  for (const config of configs) t.equal(await problemOf(t, config), undefined, JSON.stringify(config))
  const file = writeConfig(t, configs[5])
  t.match(await run(serve, ['--check', '--pretty', '-c', file]), { code: 0, lines: [/noex\.json is right$/] })
  t.same(readdirSync(dirname(file)), ['noex.json'], 'a check makes nothing')
})

t.test('refuses what is wrong, with its place in the file', async t => {
  const cases: Array<[config: unknown, problem: RegExp]> = [
    [{ prot: 1 }, /^option prot is unknown; did you mean "port"\?$/],
    [{ port: '8080' }, /^option port must be an integer from 0 to 65535$/],
    [{ heartbeat: { intervalMS: 1 } }, /^option heartbeat\.intervalMS is unknown; did you mean "intervalMs"\?$/],
    [{ store: { durabilty: {} } }, /^option store\.durabilty is unknown; did you mean "durability"\?$/],
    [{ store: { durability: {} } }, /^option store\.durability\.directory is required$/],
    [{ store: { durability: { directory: 'a' }, persistence: { directory: 'b' } } }, /^option store\.persistence /],
    [{ https: { key: 'x' } }, /^option https\.cert is required$/],
    [{ https: { key: 'x', cert: 'y' } }, /PEM|pem/],
    [{ logLevel: 'loud' }, /^option logLevel must be one of fatal, /],
    [{ trustProxy: 'nowhere' }, /nowhere/],
    [{ operations: [] }, /^option operations needs a program/],
    [{ auth: {} }, /^option auth needs exactly one of jwt, builtIn, gateway$/],
    [{ auth: { validate: 'x' } }, /^option auth needs exactly one of/],
    [{ auth: { jwt: { ...jwt, isuer: 'x' } } }, /^option auth\.jwt\.isuer is unknown; did you mean "issuer"\?$/],
    [{ auth: { jwt: { ...jwt, secret: 'short' } } }, /^option auth\.jwt\.secret /],
    [{ auth: { jwt, permissions: {} } }, /^option auth\.permissions belongs into auth\.jwt$/],
    [{ auth: { jwt: { ...jwt, permissions: { rules: [{ role: 'a', allow: ['store.gett'] }] } } } },
      /^option auth\.jwt\.permissions\.rules\[0\]\.allow.*store\.gett/],
    [{ auth: { builtIn: true } }, /^option auth\.adminSecret is required$/],
    [{ auth: { builtIn: true, adminSecret: { $env: 'NONE' } } }, /^auth\.adminSecret: the variable NONE is not set$/],
    [{ auth: { builtIn: true, adminSecret: { $env: 'EMPTY' } } }, /^auth\.adminSecret: the variable EMPTY is not set$/],
    [{ auth: { builtIn: true, adminSecret: { $file: 'none' } } }, /^auth\.adminSecret: ENOENT/],
    [{ auth: { builtIn: true, adminSecret: { $file: 7 } } }, /^auth\.adminSecret\.\$file must be a text$/],
    [{ auth: { builtIn: true, adminSecret: { $file: '.' } } }, /^auth\.adminSecret: .* is not a file$/],
    [{ audit: { sinks: {} } }, /^option audit\.sinks must be an array$/],
    [{ audit: { sinks: [{ jsonl: { path: 'a.txt' } }] } }, /^option audit\.sinks\[0\]\.jsonl\.path must be a path/],
    [{ audit: { sinks: [{ syslog: {} }] } }, /^option audit\.sinks\[0\] must be \{ "jsonl"/],
    [{ audit: { sinks: [{ postgres: {} }] } }, /^option audit\.sinks\[0\]\.postgres\.pool or connectionString/],
    [{ audit: { tiers: ['all'] } }, /^option audit\.tiers must name/],
    [{ buckets: { a: 5 } }, /^option buckets\.a must be an object$/],
    [{ buckets: { a: {} } }, /^buckets: .*"a"/],
    [{ buckets: { a: { key: 'id', schema: { id: { type: 'text' } } } } }, /^buckets: .*"id" of bucket "a"/],
    [{ buckets: { a: { key: 'id', schema: { id: { type: 'string', uniqe: true } } } } }, /^buckets: .*"uniqe"/],
    [{ buckets: { a: { key: 'id', schema: { id: { type: 'string', ref: 'b' } } } } }, /^buckets: .*"b"/],
    [{ queries: { q: {} } }, /^queries\.q: /],
    [{ queries: { q: { bucket: 'none' } } }, /^queries\.q: Bucket "none" is not defined$/],
    [{ ...shop, queries: { q: { bucket: 'items', filtr: {} } } }, /^queries\.q: .*filtr/],
    [{ rules: [{ id: 'r' }] }, /^rules\[0\]: /],
    [{ rules: {} }, /^option rules must be an array$/],
    [{ procedures: { definitions: [{ name: 'p' }] } }, /^option procedures\.definitions\[0\]/],
    [{ realIpHeader: 'X-Real-IP' }, /^option trustedProxies is required/],
    ['[]', /^must be a JSON object$/],
    ['null', /^must be a JSON object$/],
    [`{"a":${'['.repeat(200)}${']'.repeat(200)}}`, /nested too deep$/],
    [`{"a":${'['.repeat(200_000)}`, /is no JSON|nested/]
  ]
  for (const [config, problem] of cases) {
    t.match(await problemOf(t, config), problem, JSON.stringify(config).slice(0, 99))
  }
})

t.test('names line and column of what is no JSON, and shows nothing of the file', async t => {
  const cases: Array<[string, string]> = [
    ['{\n  "port": 1,\n  "hidden": "x",\n}', 'line 4, column 1'],
    ['{\n  "port": 1\n  "hidden": "x"\n}', 'line 3, column 3'],
    ['{\n  "hidden": \'x\'\n}', 'line 2, column 13'],
    ['{ "hidden": x }', 'line 1, column 13'],
    ['', 'line 1, column 1'],
    ['{ "hidden": 1', 'line 1, column 14'],
    ['{ "hidden": "x', 'line 1, column 15'],
    ['{}\n}', 'line 2, column 1']
  ]
  for (const [text, place] of cases) t.equal(await problemOf(t, text), `it is no JSON: ${place}`, text)
})

t.test('refuses wrong usage, and a file that cannot be read', async t => {
  const folder = temporaryDirectory(t)
  mkdirSync(join(folder, 'noex.json'))
  const large = join(folder, 'large.json')
  writeFileSync(large, ' '.repeat(16_777_217))
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const cases: Array<[string[], RegExp]> = [
    [[], /-c FILE is missing/],
    [['noex.json'], /takes no argument/],
    [['-c', '/none.json'], /\/none\.json: ENOENT/],
    [['-c', join(folder, 'noex.json')], /is not a file/],
    [['-c', pipe], /is not a file/],
    [['-c', large], /has more than 16777216 bytes/],
    [['-c', writeConfig(t, {}), '--port', '70000'], /--port takes 0 to 65535/]
  ]
  for (const [args, message] of cases) {
    const { code, lines, errors } = await run(serve, args)
    t.same([code, lines], [2, []], args.join(' '))
    t.match(errors[0], message)
  }
  t.match(await run(serve, ['--help']), { code: 0, lines: [/^Usage: fastify-noex serve/] })
})

t.test('a start that fails leaves nothing behind', async t => {
  const file = writeConfig(t, { ...shop, store: { durability: { directory: 'data' } } })
  const failed = await run(serve, ['-c', file, '--host', '203.0.113.1'])
  t.match(failed, { code: 2, errors: [/EADDRNOTAVAIL/] })
  const again = await run(serve, ['-c', file, '--host', '203.0.113.1'])
  t.match(again, { code: 2, errors: [/EADDRNOTAVAIL/] }, 'the store was stopped, and can be opened again')
})
