import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import type { NoexServer } from '../../lib/index.js'
import { TestClient } from '../support/client.js'
import { projectFile } from '../support/project-file.js'
import { startStore } from '../support/service.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const run = promisify(execFile)

/** Returns the operation that CONTRIBUTING.md defines. */
function recipe (): string {
  const guide = readFileSync(projectFile('CONTRIBUTING.md'), 'utf8')
  const code = /<!-- recipe: operation -->\s+```ts\n([^]*?)```/.exec(guide)?.[1]
  if (code === undefined) throw new Error('CONTRIBUTING.md has no recipe for an operation')
  return code
}

/**
 * Compiles the sources with the operation in their table, as a contributor would; returns the package's
 * entry.
 */
async function compileWith (operation: string, folder: string): Promise<string> {
  for (const part of ['lib', 'routes', 'example-app', 'tsconfig.base.json', 'package.json']) {
    cpSync(projectFile(part), join(folder, part), { recursive: true })
  }
  symlinkSync(projectFile('node_modules'), join(folder, 'node_modules'))
  const file = join(folder, 'lib/operations/store-read.ts')
  const table = readFileSync(file, 'utf8')
  const end = table.lastIndexOf('\n]')
  writeFileSync(file, `${table.slice(0, end)},\n${operation}${table.slice(end)}`)
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
    extends: './tsconfig.base.json',
    compilerOptions: { rootDir: '.', outDir: 'dist', composite: false, declaration: false, sourceMap: false },
    include: ['lib', 'routes', 'example-app'],
    exclude: ['lib/console']
  }))
  mkdirSync(join(folder, 'dist'))
  await run(process.execPath, [projectFile('node_modules/typescript-7/bin/tsc'), '-p', folder])
  return pathToFileURL(join(folder, 'dist/lib/index.js')).href
}

t.test('the recipe for an operation makes one: with its shape, its rights and its work', async t => {
  const entry = await compileWith(recipe(), temporaryDirectory(t))
  const { NoexServer: Server } = await import(entry) as { NoexServer: typeof NoexServer }
  const store = await startStore(t)
  await store.defineBucket('orders', { key: 'id', schema: { id: { type: 'string', required: true } } })
  await store.bucket('orders').insert({ id: 'one' })
  const server = await Server.start({
    store,
    host: '127.0.0.1',
    port: 0,
    auth: {
      validate: async token => ({ userId: token, roles: [token] }),
      permissions: {
        default: 'deny',
        rules: [{ role: 'clerk', allow: 'store.exists', buckets: ['orders'] }]
      }
    }
  })
  t.teardown(async () => { await server.stop() })
  const client = await TestClient.open(t, `ws://127.0.0.1:${server.port}`)
  const exists = async (key: unknown): Promise<string> =>
    await client.code('store.exists', { bucket: 'orders', key })
  t.equal(await exists('one'), 'UNAUTHORIZED')
  await client.ask('auth.login', { token: 'visitor' })
  t.equal(await exists('one'), 'FORBIDDEN')
  await client.ask('auth.login', { token: 'clerk' })
  t.equal(await client.code('store.exists', { bucket: 'orders' }), 'VALIDATION_ERROR')
  t.same(await client.ask('store.exists', { bucket: 'orders', key: 'one' }), { exists: true })
  t.same(await client.ask('store.exists', { bucket: 'orders', key: 'two' }), { exists: false })
})
