import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSocketServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import t from 'tap'
import { call } from '../../../lib/cli/call.js'
import { operation, Type, type AuthSession } from '../../../lib/index.js'
import { programEnv, programFile, run, terminal } from '../../support/command-line.js'
import { startCommand } from '../../support/command-process.js'
import { projectFile } from '../../support/project-file.js'
import { serve } from '../../support/service.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

/** An operation without an end. */
const never = operation({
  name: 'shop.never', input: Type.Object({}), handler: async () => await new Promise(() => {})
})

const insert = ['store.insert', 'bucket=items', 'data={"id":"a","name":"lamp","n":1}']

t.test('prints one line of JSON in a pipe, and a table for people', async t => {
  const { url, store } = await serve(t)
  const { code, lines, errors } = await run(call, [url, ...insert])
  t.same([code, lines.length, errors], [0, 1, []])
  t.match(JSON.parse(lines[0] as string), { id: 'a', name: 'lamp', n: 1, _version: 1 })
  const table = await run(call, [url, 'store.all', 'bucket=items'], terminal)
  t.match(table.lines, [/^id +name +n +_version/, /^a +lamp +1 +1/])
  t.match(await run(call, ['--json', url, 'store.all', 'bucket=items'], terminal), { lines: [/^\[\{/] })
  await store.bucket('items').update('a', { name: '\u001b[2J\u009b\u202e' })
  for (const io of [{}, terminal]) {
    t.match((await run(call, [url, 'store.all', 'bucket=items'], io)).lines.join(''), /^[ -~]+$/)
  }
})

t.test('reads the members from the input', async t => {
  const { url } = await serve(t)
  const from = (text: string): object => ({ stdin: Readable.from([Buffer.from(text)]) })
  const request = ['store.insert', '-']
  const done = await run(call, [url, ...request], from('{"bucket":"items","data":{"name":"lamp"}}\n'))
  t.match([done.code, JSON.parse(done.lines[0] as string)], [0, { name: 'lamp' }])
  t.match(await run(call, [url, ...request], from('{"bucket"')), { code: 2, errors: [/it is no JSON/] })
  t.match(await run(call, [url, ...request], from('[1]')), { code: 2, errors: [/must be a JSON object/] })
  t.match(await run(call, [url, ...request]), { code: 2, errors: [/no input/] })
  const process = startCommand(t, ['call', url, 'store.get', '-'])
  process.child.stdin?.end('{"bucket":"items","key":"none"}')
  t.equal(await process.exited, 0)
  t.equal(process.stdout, 'null\n')
})

t.test('ends with 1 where the server refuses, and says why', async t => {
  const { url } = await serve(t)
  const cases: Array<[string[], RegExp]> = [
    [['store.get', 'bucket=none', 'key=1'], /BUCKET_NOT_DEFINED: /],
    [['store.nothing'], /UNKNOWN_OPERATION: /],
    [['store.get', 'bucket=items'], /VALIDATION_ERROR: /],
    [['store.insert', 'bucket=items', 'data={"n":"x\u001b[2J"}'], /VALIDATION_ERROR: [ -~]+$/]
  ]
  for (const [words, message] of cases) {
    const { code, lines, errors } = await run(call, [url, ...words])
    t.same([code, lines], [1, []], words.join(' '))
    t.match(errors[0], message)
  }
})

t.test('ends with 2 for wrong usage', async t => {
  const cases: Array<[string[], RegExp]> = [
    [[], /a URL is missing/],
    [['ws://127.0.0.1:1'], /the operation is missing/],
    [['nowhere', 'a.b'], /nowhere is no URL/],
    [['ws://127.0.0.1:1', 'a.b', 'x'], /x is neither/],
    [['ws://127.0.0.1:1', 'a.b', 'type=x'], /type and id/],
    [['--timeout', '0', 'ws://127.0.0.1:1', 'a.b'], /--timeout takes/],
    [['--timeout', '99999999', 'ws://127.0.0.1:1', 'a.b'], /--timeout takes at most/],
    [['--ca', '/none', 'wss://127.0.0.1:1', 'a.b'], /ENOENT/],
    [['--ca', projectFile('package.json'), 'wss://127.0.0.1:1', 'a.b'], /has no certificate/]
  ]
  for (const [args, message] of cases) {
    const { code, lines, errors } = await run(call, args)
    t.same([code, lines], [2, []], args.join(' '))
    t.match(errors[0], message)
  }
  t.match(await run(call, ['--help']), { code: 0, lines: [/^Usage: fastify-noex call/] })
})

t.test('says what is wrong with a server that cannot be used', async t => {
  const web = createServer((_request, response) => { response.end('<html>') })
  await new Promise<void>(resolve => { web.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { web.close() })
  const html = `ws://127.0.0.1:${(web.address() as AddressInfo).port}/?token=secret`
  t.match(await run(call, [html, 'a.b']), { code: 2, errors: [/Unexpected server response: 200.*check URL/] })
  const { errors } = await run(call, [html, 'a.b'])
  t.notMatch(errors.join(), 'secret')
  t.match(await run(call, ['ws://127.0.0.1:1', 'a.b']), { code: 2, errors: [/ECONNREFUSED/] })

  const silent = createSocketServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const sockets = new Set<Socket>()
  silent.on('connection', socket => sockets.add(socket))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    silent.close()
  })
  const url = `ws://127.0.0.1:${(silent.address() as AddressInfo).port}`
  t.match(await run(call, ['--timeout', '1', url, 'a.b']), { code: 2, errors: [/no welcome within 1000 ms/] })
})

t.test('trusts a certificate of its own only where it is told to', async t => {
  const file = projectFile('test/fixtures/localhost.pem')
  const pem = readFileSync(file)
  const { port } = await serve(t, {}, { fastify: { https: { key: pem, cert: pem } } as object })
  const url = `wss://localhost:${port}`
  t.match(await run(call, [url, 'store.buckets']), { code: 2, errors: [/self-signed|unable to verify/] })
  t.match(await run(call, ['--ca', file, url, 'store.buckets']), { code: 0, lines: [/items/] })
})

t.test('says that it does not know where there is no answer in time', async t => {
  const { url, app } = await serve(t, { operations: [never] })
  const late = await run(call, ['--timeout', '1', url, 'shop.never'])
  t.match(late, { code: 2, errors: [/it is not known whether it was done/] })
  const lost = run(call, [url, 'shop.never'])
  setTimeout(() => { app.close() }, 300)
  t.match(await lost, { code: 2, errors: [/it is not known whether it was done|INTERNAL|server/] })
})

t.test('a token is not in the list of processes', async t => {
  const validate = (): AuthSession => ({ userId: 'u', roles: ['admin'] })
  const { url } = await serve(t, { operations: [never], auth: { validate } })
  const process = startCommand(t, ['call', '--token', 'hidden', '--timeout', '20', url, 'shop.never'])
  const cmdline = (): string => readFileSync(`/proc/${process.child.pid}/cmdline`, 'utf8')
  for (const deadline = performance.now() + 20_000; cmdline().includes('hidden');) {
    if (performance.now() > deadline) throw new Error(cmdline())
    await new Promise(resolve => { setTimeout(resolve, 20) })
  }
  t.match(cmdline(), /^fastify-noex call/)
})

t.test('a huge result ends quietly with its reader', async t => {
  const { url, store } = await serve(t)
  await store.bucket('items').insertMany([...Array(9_000).keys()].map(n => ({ name: 'x'.repeat(100), n })))
  const file = join(temporaryDirectory(t), 'out')
  const command = `"${process.execPath}" "${programFile}" call --pretty ${url} store.all bucket=items`
  const script = `set -o pipefail; ${command} | head -2 > ${file}`
  const { stderr } = await promisify(execFile)('/bin/bash', ['-c', script], { env: programEnv })
  t.equal(stderr, '')
  t.match(readFileSync(file, 'utf8'), /^name +n\n *x{39}… +0\n$/)
})
