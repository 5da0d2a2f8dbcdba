import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { Store } from '@hamicek/noex-store'
import { closeReasons, ErrorCode, noexPlugin, type NoexServer } from '../lib/index.js'
import { operations } from '../lib/operations/index.js'
import { resolveOptions } from '../lib/options.js'
import { TestClient, type Frame } from './client.js'
import { startStore } from './helper.js'
import { temporaryDirectory } from './temporary-directory.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const protocol = readFileSync(join(root, 'PROTOCOL.md'), 'utf8')

/** The code below `<!-- sample: name -->` in the README. */
function sample (name: string): string {
  const code = new RegExp(`<!-- sample: ${name} -->\n\`\`\`\\w*\n([^]*?)\`\`\``).exec(readme)?.[1]
  if (code === undefined) throw new Error(`the README has no sample "${name}"`)
  return code
}

/** Runs a sample as a module of this package, where `fastify-noex` means the sources, and returns what `names` name in it. */
async function run (t: Test, name: string, names: string[], change: (code: string) => string = code => code): Promise<Record<string, unknown>> {
  const folder = join(root, '.tap', 'samples')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${name}-${process.pid}.mjs`)
  writeFileSync(file, `${change(sample(name))}\nexport { ${names.join(', ')} }\n`)
  t.teardown(() => { rmSync(file) })
  return await import(pathToFileURL(file).href) as Record<string, unknown>
}

const anyPort = (code: string): string => code.replace(/port: \d+/, 'port: 0').replace('logger: true', 'logger: false')

t.test('README', async t => {
  t.test('its usage sample serves, and the session is the one shown', async t => {
    const { app, store } = await run(t, 'usage', ['app', 'store'], anyPort) as { app: FastifyInstance, store: Store }
    t.teardown(async () => { await store.stop() })
    t.teardown(async () => { await app.close() })
    const client = TestClient.raw(t, `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/live`)
    const lines = sample('session').trim().split('\n')
    t.ok(lines.length > 6, 'it has a session')
    for (const line of lines) {
      const message = JSON.parse(line.slice(2)) as Frame
      if (line.startsWith('>')) client.send(message)
      else t.same(stable(await client.next()), stable(message))
    }
    const health = await app.inject('/healthz')
    t.equal(health.json<{ status: string }>().status, 'ok')
  })

  t.test('its standalone sample serves and stops at SIGTERM', async t => {
    const before = process.listeners('SIGTERM')
    const { server, store } = await run(t, 'standalone', ['server', 'store'], anyPort) as { server: NoexServer, store: Store }
    const stop = process.listeners('SIGTERM').find(listener => !before.includes(listener))
    const client = await TestClient.open(t, `ws://127.0.0.1:${server.port}`)
    t.teardown(async () => { await store.stop() })
    t.teardown(async () => { await server.stop() })
    client.ws.close()
    await client.closed
    process.removeListener('SIGTERM', stop as () => void)
    await (stop as unknown as () => Promise<void>)()
    t.equal(server.isRunning, false)
  })

  t.test('its sample of two scopes serves two stores', async t => {
    const app = Fastify()
    t.teardown(async () => { await app.close() })
    const AsyncFunction = (async () => {}).constructor as new (...args: string[]) => (...args: unknown[]) => Promise<void>
    await new AsyncFunction('app', 'noexPlugin', 'shop', 'desk', sample('scopes'))(app, noexPlugin, await startStore(t), await startStore(t))
    await app.ready()
    t.equal((await app.inject('/shop/healthz')).statusCode, 200)
    t.equal((await app.inject('/desk/healthz')).statusCode, 200)
  })

  t.test('its persistence sample keeps what is stored', async t => {
    const directory = temporaryDirectory(t)
    const here = (code: string): string => code.replace('\'data\'', JSON.stringify(directory))
    const { store } = await run(t, 'persistence', ['store'], here) as { store: Store }
    const definition = { key: 'id', schema: { id: { type: 'string' } } } as const
    await store.defineBucket('orders', definition)
    await store.bucket('orders').insert({ id: 'a' })
    await store.stop()
    const { Store: StoreClass } = await import('@hamicek/noex-store')
    const { FileAdapter } = await import('@hamicek/noex')
    const again = await StoreClass.start({ name: 'shop', persistence: { adapter: new FileAdapter({ directory }) } })
    t.teardown(async () => { await again.stop() })
    await again.defineBucket('orders', definition)
    t.equal(await again.bucket('orders').count(), 1)
  })

  t.test('its table of options has every option with its default', async t => {
    const rows = new Map([...readme.matchAll(/^\| `([\w.]+)` \| (.+?) \|/gm)].map(([, name, value]) => [name as string, value as string]))
    const words: Record<string, unknown> = { unlimited: Infinity, 'every origin': undefined }
    const resolved = resolveOptions({ store: await startStore(t) })
    for (const [name, value] of leaves(resolved)) {
      const shown = rows.get(name)
      if (name === 'store') t.equal(shown, 'required')
      else if (shown === undefined) t.fail(`the README does not name ${name}`)
      else t.same(shown in words ? words[shown] : parse(shown), value, name)
    }
  })
})

t.test('PROTOCOL.md names every operation, code and close', async t => {
  for (const { name } of operations.values()) {
    const short = name.replace('store.', '')
    t.ok(protocol.includes(`\`${name}\``) || protocol.includes(`\`${short}\``), name)
  }
  for (const code of Object.keys(ErrorCode)) t.match(protocol, new RegExp(`\\| \`${code}\` \\|`), code)
  for (const { code, reason } of Object.values(closeReasons)) t.match(protocol, new RegExp(`\\| ${code} \\| \`${reason}\``), reason)
})

t.test('links within the documents lead somewhere', async t => {
  for (const [name, text] of Object.entries({ readme, protocol })) {
    const anchors = new Set([...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) => (title as string).toLowerCase().replace(/[^\w\s-]/g, '').replaceAll(' ', '-')))
    for (const [, anchor] of text.matchAll(/\]\(#([\w-]+)\)/g)) t.ok(anchors.has(anchor as string), `${name}: #${anchor as string}`)
  }
})

/** A frame without what differs from run to run. */
function stable (frame: Frame): unknown {
  return JSON.parse(JSON.stringify(frame, (key, value: unknown) => {
    if (['serverTime', '_createdAt', '_updatedAt', 'subscriptionId'].includes(key) || (key === 'id' && typeof value === 'string')) return typeof value
    return value
  }))
}

/** The options below an object of options, by path; a helmet object is one option. */
function leaves (value: object, prefix = ''): Array<[string, unknown]> {
  return Object.entries(value).flatMap(([name, item]: [string, unknown]): Array<[string, unknown]> => {
    const group = typeof item === 'object' && item !== null && !['store', 'helmet'].includes(name)
    return group ? leaves(item, `${prefix}${name}.`) : [[prefix + name, item]]
  })
}

/** A default as the README writes it. */
function parse (shown: string): unknown {
  return JSON.parse(shown.replaceAll('`', '').replace(/^'(.*)'$/, '"$1"').replace(/(?<=\d)_(?=\d)/g, ''))
}
