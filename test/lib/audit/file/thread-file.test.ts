import { execFile } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { threadFile } from '@hamicek/noex-journal'
import { verifyTrail } from '../../../../lib/exports/audit.js'
import { projectFile } from '../../../support/project-file.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'

const bundled = /leave fastify-noex out of the bundle \(esbuild --external:fastify-noex/

t.test('the file of a thread is found beside the module that starts it', async t => {
  const module = new URL('./lib/identity/password-workers.js', pathToFileURL(projectFile('dist/')))
  t.equal(threadFile('password-worker.js', module.href).href, new URL('password-worker.js', module).href)
})

t.test('a bundle is refused, with the way out', async t => {
  const bundle = pathToFileURL(join(temporaryDirectory(t), 'service.js')).href
  const find = (moduleUrl: string | undefined) => () => threadFile('password-worker.js', moduleUrl)
  t.throws(find(bundle), { message: bundled }, 'one of ES modules')
  t.throws(find(bundle), { message: new URL('password-worker.js', bundle).href }, 'which names the file')
  t.throws(find(undefined), { message: bundled }, 'one of CommonJS')
  t.throws(find('https://example.com/service.js'), { message: bundled }, 'one without files')
})

/**
 * Starts a server with accounts and a trail, logs in, and prints what it is refused, in a process with the
 * permission model.
 */
const service = `
  import { NoexServer } from 'fastify-noex'
  import { jsonlSink } from 'fastify-noex/audit'
  import { FileAdapter, Store } from 'fastify-noex/store'
  import WebSocket from 'ws'
  const data = process.env.DATA
  const store = await Store.start({
    ...process.env.DURABLE
      ? { durability: { directory: data + '/log' } }
      : { persistence: { adapter: new FileAdapter({ directory: data + '/store' }) } }
  })
  try {
    const server = await NoexServer.start({
      store, port: 0, host: '127.0.0.1',
      auth: { builtIn: true, adminSecret: 'the secret of this test' },
      audit: process.env.TRAIL ? { sinks: [jsonlSink({ path: data + '/audit.jsonl' })] } : undefined
    })
    const ws = new WebSocket('ws://127.0.0.1:' + server.port)
    const replies = []
    ws.on('message', text => { replies.push(JSON.parse(text)) })
    const ask = async fields => {
      ws.send(JSON.stringify(fields))
      while (!replies.some(({ id }) => id === fields.id)) {
        await new Promise(resolve => ws.once('message', resolve))
      }
      return replies.find(({ id }) => id === fields.id)
    }
    await new Promise(resolve => ws.once('open', resolve))
    await ask({ id: 1, type: 'identity.loginWithSecret', secret: 'the secret of this test' })
    const { type } = await ask({
      id: 2, type: 'identity.createUser', username: 'alice', password: 'correct horse'
    })
    console.log(
      type,
      (await ask({ id: 3, type: 'identity.login', username: 'alice', password: 'correct horse' })).type
    )
    ws.close()
    await server.stop()
  } catch (error) {
    console.log(error.message)
  }
  await store.stop()`

t.test('with Node\'s permission model', async t => {
  const isStable = process.allowedNodeEnvironmentFlags.has('--permission')
  const flag = isStable ? '--permission' : '--experimental-permission'
  const data = join(temporaryDirectory(t), 'data')
  mkdirSync(data)
  const root = projectFile('')
  const file = join(root, '.tap', `permissions-${process.pid}.mjs`)
  writeFileSync(file, service)
  t.teardown(() => { rmSync(file) })
  const start = async (flags: string[], variables: string[] = []): Promise<string> => {
    const hasNet = process.allowedNodeEnvironmentFlags.has('--allow-net')
    const files = [`--allow-fs-read=${root}*`, `--allow-fs-read=${data}*`, `--allow-fs-write=${data}*`]
    const net = hasNet ? ['--allow-net'] : []
    const node = [process.execPath, flag, '--no-warnings', ...files, ...net, ...flags, file]
    // The test runner adds options of its own, which need more than these permissions.
    const args = ['-u', 'NODE_OPTIONS', `DATA=${data}`, ...variables, ...node]
    const { stdout } = await promisify(execFile)('env', args, { cwd: root })
    return stdout.trim()
  }
  t.equal(await start(['--allow-worker']), 'result result', 'the flags in docs/install.md are enough')
  t.match(
    await start([]),
    /^fastify-noex runs \S+ in a thread, which this process may not start: add --allow-worker$/
  )
  const durable = ['TRAIL=1', 'DURABLE=1']
  t.equal(await start(['--allow-worker'], durable), 'result result', 'and for a durable store and a trail')
  t.equal(await start(['--allow-worker'], durable), 'error result', 'which have the account after a restart')
  t.match(await verifyTrail({ files: [join(data, 'audit.jsonl')] }), { ok: true })
})
