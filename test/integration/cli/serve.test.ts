import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { SignJWT } from 'jose'
import t from 'tap'
import { call } from '../../../lib/cli/call.js'
import { watch } from '../../../lib/cli/watch.js'
import { execute, run } from '../../support/command-line.js'
import { startOnTerminal } from '../../support/command-process.js'
import { projectFile } from '../../support/project-file.js'
import { shop, startServe, writeConfig } from '../../support/serve-command.js'

const timeout = 120_000

t.test('serves buckets, queries and rules of a file, without code', { timeout }, async t => {
  const rules = [{
    id: 'large',
    name: 'A large one is announced',
    trigger: { type: 'event', topic: 'bucket.items.inserted' },
    conditions: [{ source: { type: 'event', field: 'record.n' }, operator: 'gt', value: 100 }],
    actions: [{ type: 'emit_event', topic: 'item.large', data: { id: { ref: 'event.record.id' } } }]
  }]
  const file = writeConfig(t, { ...shop, rules, path: '/live', routes: { rpc: '/rpc' } })
  const { url, process } = await startServe(t, file)
  const live = `${url}/live`
  for (const n of [1, 200]) {
    const words = ['store.insert', 'bucket=items', `data={"id":"${n}","n":${n}}`]
    t.match(await run(call, [live, ...words]), { code: 0 })
  }
  t.match(await run(watch, ['--count', '1', live, 'at-least', 'n=100']), { code: 0, lines: [/^\[\{"id":"200"/] })
  const fired = await run(call, [live, 'rules.stats'])
  t.match(JSON.parse(fired.lines[0] as string), { rulesCount: 1 })
  const answer = await fetch(`${url.replace('ws', 'http')}/rpc`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"type":"store.buckets"}'
  })
  t.equal(answer.status, 200)
  process.child.kill('SIGTERM')
  t.equal(await process.exited, 0)
  t.equal(process.stderr, '')
})

t.test('keeps what it has answered over a kill, and a restart by SIGTERM', { timeout }, async t => {
  const file = writeConfig(t, { ...shop, store: { durability: { directory: 'data' } } })
  const first = await startServe(t, file)
  t.match(await run(call, [first.url, 'store.insert', 'bucket=items', 'data={"id":"a"}']), { code: 0 })
  t.match(await execute('serve', '--port', '0', '-c', file), { code: 2, stderr: /another process has this store/ })
  t.match(await execute('serve', '--check', '-c', file), { code: 0 }, 'a check leaves the store alone')
  const writes = [...Array(20).keys()].map(async i =>
    await run(call, [first.url, 'store.insert', 'bucket=items', `data={"id":"i${i}"}`]))
  setTimeout(() => { first.process.child.kill('SIGKILL') }, 30)
  const answered = (await Promise.all(writes)).flatMap(({ code }, i) => code === 0 ? [`i${i}`] : [])
  const second = await startServe(t, file)
  const { lines } = await run(call, [second.url, 'store.all', 'bucket=items'])
  const ids = (JSON.parse(lines[0] as string) as Array<{ id: string }>).map(({ id }) => id)
  for (const id of ['a', ...answered]) t.ok(ids.includes(id), id)
  second.process.child.kill('SIGTERM')
  t.equal(await second.process.exited, 0)
  t.ok(existsSync(join(dirname(file), 'data', 'store.json')), 'paths start from the folder of the file')
  t.match(await execute('verify', join(dirname(file), 'data')), { code: 0 })

  writeFileSync(file, readFileSync(file, 'utf8').replace('"$gte"', '"$lte"'))
  const third = await startServe(t, file)
  const watched = await run(watch, ['--count', '1', third.url, 'at-least', 'n=9'])
  t.same([watched.errors, watched.lines], [[], ['[]']], 'a query is as in the file')
  third.process.child.kill('SIGTERM')
  t.equal(await third.process.exited, 0)
  writeFileSync(file, readFileSync(file, 'utf8').replace('"n": {', '"m": {').replace('"n"\n', '"m"\n'))
  t.match(await execute('serve', '-c', file), { code: 2, stderr: /buckets\.items: .*is defined differently in the log/ })
})

t.test('drains by signals: SIGHUP rereads nothing and says so', { timeout }, async t => {
  const file = writeConfig(t, { ...shop, shutdown: { drainDelayMs: 60_000 } })
  const { process, url } = await startServe(t, file)
  process.child.kill('SIGHUP')
  await process.sees(/SIGHUP: nothing is read again; a new configuration needs a restart/)
  t.match(await run(call, [url, 'store.buckets']), { code: 0 }, 'it goes on')
  process.child.kill('SIGTERM')
  await process.sees(/SIGTERM: draining/)
  process.child.kill('SIGTERM')
  t.equal(await process.exited, 1, 'a second signal does not wait')
})

t.test('ends after a drain that an operator has asked for', { timeout }, async t => {
  const { process, url } = await startServe(t, writeConfig(t, shop))
  t.match(await run(call, [url, 'server.drain']), { code: 0 })
  await process.sees(/draining, as an operator has asked/)
  t.equal(await process.exited, 0)
})

t.test('logs in by JSON Web Tokens, with a secret that is not in the file', { timeout }, async t => {
  const secret = 'a-secret-of-at-least-32-bytes-for-HS256'
  const file = writeConfig(t, {
    ...shop,
    auth: {
      jwt: {
        secret: { $file: 'secret.txt' },
        algorithms: ['HS256'],
        issuer: 'issuer',
        audience: 'noex',
        permissions: { default: 'deny', rules: [{ role: 'clerk', allow: ['store.get'] }] }
      }
    },
    audit: { tiers: ['admin', 'write', 'read'], sinks: [{ jsonl: { path: 'trail/audit.jsonl' } }] }
  })
  writeFileSync(join(dirname(file), 'secret.txt'), `${secret}\n`)
  const { url, process } = await startServe(t, file)
  const token = await new SignJWT({ roles: ['clerk'] }).setProtectedHeader({ alg: 'HS256' }).setSubject('ada')
    .setIssuer('issuer').setAudience('noex').setExpirationTime('1h').sign(new TextEncoder().encode(secret))
  const env = { NOEX_TOKEN: token }
  t.match(await run(call, [url, 'store.get', 'bucket=items', 'key=1'], { env }), { code: 0, lines: ['null'] })
  t.match(await run(call, [url, 'store.all', 'bucket=items'], { env }), { code: 1, errors: [/FORBIDDEN/] })
  t.match(await run(call, [url, 'store.get', 'bucket=items', 'key=1']), { code: 2, errors: [/asks for a login/] })
  process.child.kill('SIGTERM')
  t.equal(await process.exited, 0)
  const trail = join(dirname(file), 'trail', 'audit.jsonl')
  t.match(readFileSync(trail, 'utf8'), /"userId":"ada".*"operation":"store.get"/)
  t.match(await execute('audit', 'verify', trail), { code: 0 })
})

t.test('serves TLS by itself, and logs for people on a terminal', { timeout }, async t => {
  const pem = { $file: projectFile('test/fixtures/localhost.pem') }
  const file = writeConfig(t, { ...shop, https: { key: pem, cert: pem }, logLevel: 'debug' })
  const served = await startServe(t, file)
  const ca = projectFile('test/fixtures/localhost.pem')
  t.match(await run(call, ['--ca', ca, served.url, 'store.buckets']), { code: 0 })
  const terminal = startOnTerminal(t, ['serve', '-c', writeConfig(t, shop)])
  await terminal.sees(/^\d\d:\d\d:\d\d\.\d{3} \S*info \S* Server listening at http:\/\/127\.0\.0\.1:\d+\r?$/m)
  terminal.write('\u0003')
  t.equal(await terminal.exited, 0)
  await terminal.sees(/stopped/)
})

t.test('a log whose reader has gone does not stop the server', { timeout }, async t => {
  const { url, process } = await startServe(t, writeConfig(t, shop))
  process.child.stdout?.destroy()
  for (let i = 0; i < 5; i++) t.match(await run(call, [url, 'store.buckets']), { code: 0 })
  process.child.kill('SIGTERM')
  t.equal(await process.exited, 0)
})
