// Packs the package, installs the tarball into an empty project beside fastify alone, and uses it there as its users do:
// from an ES module, from CommonJS, and from TypeScript with every declaration file checked.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const project = mkdtempSync(join(tmpdir(), 'noex-package-'))

const use = `
  const store = await Store.start({ name: 'consumer' })
  await store.defineBucket('items', { key: 'id', schema: { id: { type: 'string', generated: 'uuid' } } })
  const app = Fastify()
  await app.register(noexPlugin, { store, path: '/live' })
  const { statusCode } = await app.inject('/healthz')
  const stats = await app.noex.getStats()
  if (statusCode !== 200 || stats.store?.buckets.names[0] !== 'items') throw new Error('the packed plugin does not serve')
  await app.close()
  await store.stop()
`
const files = {
  'package.json': JSON.stringify({ name: 'consumer', private: true }),
  'module.mjs': `
    import { once } from 'node:events'
    import Fastify from 'fastify'
    import noexPlugin, { NoexServer } from 'fastify-noex'
    import { Store, FileAdapter } from 'fastify-noex/store'
    import { jsonlSink } from 'fastify-noex/audit'
    import { RuleEngine } from 'fastify-noex/rules'
    import WebSocket from 'ws'
    ${use}
    const own = await Store.start()
    const server = await NoexServer.start({ store: own, port: 0, host: '127.0.0.1' })
    await server.stop()
    await own.stop()
    if (typeof FileAdapter !== 'function') throw new Error('no storage adapter')
    await logIn()
    await reactTo('order.placed')
    console.log('ES module: works')

    /** Cron expressions and regular expressions come from packages of the engine's own. */
    async function reactTo (topic) {
      const rules = await RuleEngine.start()
      rules.registerRule({
        id: 'r', name: 'r', trigger: { type: 'event', topic },
        conditions: [{ source: { type: 'event', field: 'sku' }, operator: 'matches', value: '^A[0-9]+$' }],
        actions: [{ type: 'set_fact', key: 'seen', value: true }]
      })
      await rules.setTimer({ name: 't', cron: '0 0 * * *', onExpire: { topic: 'midnight', data: {} } })
      await rules.emit(topic, { sku: 'A1' })
      if (rules.getFact('seen') !== true || rules.getTimers().length !== 1) throw new Error('the packed rule engine does not work')
      await rules.stop()
    }

    /** Passwords are computed in a thread, whose file must be in the package. */
    async function logIn () {
      const store = await Store.start()
      const audit = { sinks: [jsonlSink({ path: 'audit.jsonl' })] }
      const server = await NoexServer.start({ store, port: 0, host: '127.0.0.1', audit, auth: { builtIn: true, adminSecret: 'the secret of this check' } })
      const socket = new WebSocket('ws://127.0.0.1:' + server.port)
      const ask = (id, fields) => new Promise((resolve, reject) => {
        socket.on('message', data => {
          const reply = JSON.parse(data)
          if (reply.id === id) reply.type === 'result' ? resolve(reply.data) : reject(new Error(reply.message))
        })
        socket.send(JSON.stringify({ id, ...fields }))
      })
      await once(socket, 'open')
      await ask(1, { type: 'identity.loginWithSecret', secret: 'the secret of this check' })
      await ask(2, { type: 'identity.createUser', username: 'alice', password: 'correct horse' })
      await ask(3, { type: 'identity.login', username: 'alice', password: 'correct horse' })
      socket.close()
      await server.stop()
      await store.stop()
    }`,
  'commonjs.cjs': `
    const Fastify = require('fastify')
    const noexPlugin = require('fastify-noex')
    const { Store } = require('fastify-noex/store')
    async function main () { ${use} }
    main().then(() => { console.log('CommonJS: works') })`,
  'typed.mts': `
    import Fastify from 'fastify'
    import noexPlugin, { NoexServer, type NoexOptions, type NoexState, type ServerStats } from 'fastify-noex'
    import { Store } from 'fastify-noex/store'
    const store = await Store.start()
    const options: NoexOptions = { store, heartbeat: { intervalMs: 30_000 } }
    const app = Fastify()
    await app.register(noexPlugin, options)
    await app.register(noexPlugin, { store, prefix: '/b' })
    export const state: NoexState = app.noex.state
    export const stats: Promise<ServerStats> = app.noex.getStats()
    export const server = NoexServer.start({ store, fastify: { https: {}, trustProxy: '127.0.0.1', logger: true } })
    // @ts-expect-error: the compiler must know that no such option exists
    await app.register(noexPlugin, { store, nope: true })`,
  'tsconfig.json': JSON.stringify({
    compilerOptions: { module: 'NodeNext', target: 'ES2022', strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, noEmit: true, types: ['node'] },
    include: ['typed.mts']
  })
}

function run (command, args, cwd = project) {
  console.log(`$ ${command} ${args.join(' ')}`)
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}

try {
  const [{ filename, files: packed }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', project], root).replace(/^[^[]*/, ''))
  const names = packed.map(({ path }) => path)
  for (const licence of ['LICENSE', 'node_modules/@hamicek/noex-store/LICENSE', 'node_modules/@hamicek/noex/LICENSE']) {
    if (!names.includes(licence)) throw new Error(`${licence} is not in the tarball`)
  }
  const stray = names.find(name => /(^|\/)(test|bench|example-app|\.tsbuildinfo)/.test(name) || (name.endsWith('.ts') && !name.endsWith('.d.ts')))
  if (stray !== undefined) throw new Error(`${stray} must not be in the tarball`)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text)
  run('npm', ['install', '--no-audit', '--no-fund', `./${filename}`, `fastify@${devDependencies.fastify}`])
  console.log(run(process.execPath, ['module.mjs']).trim())
  console.log(run(process.execPath, ['commonjs.cjs']).trim())
  // The thread that writes the trail and the command line must be in the package too.
  console.log(run('npx', ['--no-install', 'fastify-noex', 'audit', 'verify', 'audit.jsonl']).trim())
  run('npm', ['install', '--no-audit', '--no-fund', `typescript@${devDependencies.typescript}`, `@types/node@${devDependencies['@types/node']}`])
  run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.'])
  console.log('TypeScript: compiles')
} finally {
  rmSync(project, { recursive: true, force: true })
}
