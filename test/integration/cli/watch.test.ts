import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { spawn, type ChildProcess } from 'node:child_process'
import t, { type Test } from 'tap'
import { watch } from '../../../lib/cli/watch.js'
import { programEnv, run } from '../../support/command-line.js'
import { startCommand, startOnTerminal } from '../../support/command-process.js'
import { freePort } from '../../support/free-port.js'
import { serve, type Served } from '../../support/service.js'

async function serveItems (t: Test): Promise<Served> {
  const served = await serve(t)
  served.store.defineDeclarativeQuery('all', { bucket: 'items', sort: { n: 'asc' } })
  const filter = { n: { $gte: '{{ params.n }}' } }
  served.store.defineDeclarativeQuery('at-least', { bucket: 'items', filter })
  return served
}

t.test('prints each result as a line of JSON in a pipe', async t => {
  const { url, store } = await serveItems(t)
  const process = startCommand(t, ['watch', '--count', '3', url, 'all'])
  await process.sees(/^\[\]\n/)
  await store.bucket('items').insert({ id: 'a', n: 1, name: '\u009b' })
  await process.sees(/"id":"a".*\n/)
  await store.bucket('items').update('a', { n: 2 })
  t.equal(await process.exited, 0)
  const lines = process.stdout.trimEnd().split('\n')
  t.match(lines.map(line => JSON.parse(line) as unknown), [[], [{ n: 1 }], [{ n: 2 }]])
  t.match(process.stdout, /\\u009b/)
  t.equal(process.stderr, '')
})

t.test('takes parameters, and a description in place of a name', async t => {
  const { url, store } = await serveItems(t)
  await store.bucket('items').insertMany([{ id: 'a', n: 1 }, { id: 'b', n: 5 }])
  const once = async (...words: string[]): Promise<unknown> => {
    const { code, lines, errors } = await run(watch, ['--count', '1', url, ...words])
    if (code !== 0) return [code, errors]
    return (JSON.parse(lines[0] as string) as Array<{ id: string }>).map(({ id }) => id)
  }
  t.same(await once('at-least', 'n=2'), ['b'])
  t.same(await once('at-least', '{"n":0}'), ['a', 'b'])
  t.same(await once('{"bucket":"items","filter":{"n":1}}'), ['a'])
  t.match(await once('{"bucket":"none"}'), [1, [/BUCKET_NOT_DEFINED/]])
  t.match(await once('none'), [1, [/QUERY_NOT_DEFINED/]])
  t.match(await once('{"bucket":"items"}', 'n=1'), [2, [/takes no parameters/]])
  t.match(await once('{"bucket"'), [2, [/no JSON/]])
  t.match(await run(watch, [url]), { code: 2, errors: [/the query is missing/] })
  t.match(await run(watch, ['ws://127.0.0.1:1', 'all']), { code: 2, errors: [/ECONNREFUSED/] })
  t.match(await run(watch, ['--help']), { code: 0, lines: [/^Usage: fastify-noex watch/] })
})

t.test('ends with 1 when the query ends', async t => {
  const { url, store } = await serveItems(t)
  const process = startCommand(t, ['watch', url, 'all'])
  await process.sees(/^\[\]\n/)
  store.undefineQuery('all')
  t.equal(await process.exited, 1)
  t.match(process.stderr, /^fastify-noex: query_undefined: ended by the server: query_undefined\n$/)
})

t.test('ends when its reader does, and by signals', async t => {
  const { url, store } = await serveItems(t)
  const read = startCommand(t, ['watch', url, 'all'])
  await read.sees(/^\[\]\n/)
  read.child.stdout?.destroy()
  await store.bucket('items').insert({ n: 1 })
  await sleep(300)
  await store.bucket('items').insert({ n: 2 })
  t.equal(await read.exited, 0)
  t.equal(read.stderr, '')
  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const) {
    const process = startCommand(t, ['watch', url, 'all'])
    await process.sees(/\n/)
    process.child.kill(signal)
    t.equal(await process.exited, code, signal)
  }
})

t.test('a reader that is slow gets the newest result', async t => {
  const { url, store } = await serveItems(t)
  await store.bucket('items').insertMany([...Array(2_000).keys()].map(n => ({ id: `i${n}`, n })))
  const process = startCommand(t, ['watch', url, 'all'])
  await process.sees(/\n/)
  process.child.stdout?.pause()
  for (let i = 1; i <= 60; i++) {
    await store.bucket('items').update('i0', { n: -i })
    await sleep(10)
  }
  process.child.stdout?.resume()
  await process.sees(/^\[\{"id":"i0","n":-60,/m)
  const results = process.stdout.split('\n').length
  t.ok(results < 55, `${results} results`)
})

/** Starts the server of items in a process of its own, which the test kills. */
function startServer (t: Test, port: number): ChildProcess {
  const file = fileURLToPath(new URL('../../support/child-server.js', import.meta.url))
  const child = spawn(process.execPath, [file, String(port)], { env: programEnv, stdio: 'ignore' })
  t.teardown(() => { child.kill('SIGKILL') })
  return child
}

t.test('goes on when a server that was killed comes back', { timeout: 120_000 }, async t => {
  const port = await freePort()
  const first = startServer(t, port)
  let process = startCommand(t, ['watch', `ws://127.0.0.1:${port}`, 'all'])
  // The server may not listen yet.
  for (; await Promise.race([process.exited, process.sees(/\n/).then(() => 'live', () => 2)]) === 2;) {
    process = startCommand(t, ['watch', `ws://127.0.0.1:${port}`, 'all'])
  }
  first.kill('SIGKILL')
  await process.sees(/the connection is lost: /, { on: 'stderr' })
  startServer(t, port)
  await process.sees(/the connection is back/, { on: 'stderr' })
  t.match(process.stdout, /^\[\]\n/)
  process.child.kill('SIGINT')
  t.equal(await process.exited, 130)
})

t.test('is a table in place on a terminal, which is as before at the end', { timeout: 120_000 }, async t => {
  const { url, store } = await serveItems(t)
  const items = store.bucket('items')
  await items.insertMany([...Array(100).keys()].map(n => ({ id: `item-${n}`, n, name: '\u001b[2J\u009b' })))
  const process = startOnTerminal(t, ['watch', url, 'all'])
  await process.sees(/␛\[\?1049h.*all, 100 rows, live[^]*item-0[^]*… and 75 more/)
  const [frame] = await process.sees(/␛\[H[^]*?␛\[J/)
  t.equal(frame.split('\n').length, 29, 'it fits on the screen of 30 rows')
  t.notMatch(frame, /␛\[2J|␛␛/)
  const from = process.stdout.length
  await items.update('item-0', { n: -7 })
  await process.sees(/item-0 +-7/, { from })
  process.write('\u0003')
  t.equal(await process.exited, 130)
  t.match(process.stdout, /␛\[\?7h␛\[\?25h␛\[\?1049l[^]*$/, 'cursor and screen are back')
})

t.test('Ctrl-Z gives the screen back until it goes on', { timeout: 120_000 }, async t => {
  const { url } = await serveItems(t)
  const process = startOnTerminal(t, ['watch', url, 'all'])
  await process.sees(/0 rows, live/)
  process.write('\u001a')
  // The program script stops with its command, and makes it go on.
  const status = `/proc/${process.child.pid}/status`
  while (!/^State:\tT/m.test(readFileSync(status, 'utf8'))) await sleep(20)
  process.child.kill('SIGCONT')
  await process.sees(/␛\[\?1049l␛\[\?1049h[^]*0 rows, live/)
  process.write('\u0003')
  t.equal(await process.exited, 130)
})

t.test('a terminal of any size, and one that can do nothing', { timeout: 120_000 }, async t => {
  const { url, store } = await serveItems(t)
  await store.bucket('items').insertMany([...Array(100).keys()].map(n => ({ n, name: 'a long name' })))
  const small = startOnTerminal(t, ['watch', url, 'all'], {}, 'cols 21 rows 5')
  const [frame] = await small.sees(/␛\[H[^]*?␛\[J/)
  t.ok(frame.split('\n').length <= 5)
  small.write('\u0003')
  t.equal(await small.exited, 130)
  const dumb = startOnTerminal(t, ['watch', '--count', '1', url, 'all'], { TERM: 'dumb' })
  t.equal(await dumb.exited, 0)
  t.notMatch(dumb.stdout, /␛\[/)
  t.equal(dumb.stdout.split('\n').length > 100, true)
})

t.test('the screen is back before an error is told', { timeout: 120_000 }, async t => {
  const { url, store, app } = await serveItems(t)
  const ended = startOnTerminal(t, ['watch', url, 'all'])
  await ended.sees(/0 rows, live/)
  store.undefineQuery('all')
  t.equal(await ended.exited, 1)
  t.match(ended.stdout, /␛\[\?1049l[^]*fastify-noex: /)
  const gone = startOnTerminal(t, ['watch', url, 'at-least', 'n=1'])
  await gone.sees(/0 rows, live/)
  await app.close()
  await gone.sees(/at-least, 0 rows, stale; waiting/)
  gone.write('\u0003')
  t.equal(await gone.exited, 130)
})
