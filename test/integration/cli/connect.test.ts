import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { connect } from '../../../lib/cli/connect/connect.js'
import { RuleEngine } from '../../../lib/exports/rules.js'
import { operation, Type } from '../../../lib/index.js'
import { run } from '../../support/command-line.js'
import { startOnTerminal, type CommandProcess } from '../../support/command-process.js'
import { serve, type Served } from '../../support/service.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

const timeout = 120_000

/** An operation without an end. */
const never = operation({
  name: 'shop.never',
  input: Type.Object({ item: Type.String() }),
  handler: async () => await new Promise(() => {})
})

async function serveItems (t: Test): Promise<Served> {
  const served = await serve(t, { operations: [never] })
  served.store.defineDeclarativeQuery('all-items', { bucket: 'items', sort: { n: 'asc' } })
  return served
}

/** Starts a prompt, and waits for it. */
async function startPrompt (t: Test, url: string, env: NodeJS.ProcessEnv = {}): Promise<CommandProcess> {
  const process = startOnTerminal(t, ['connect', url], env)
  await process.sees(/noex> /)
  // The names for Tab.
  await sleep(500)
  return process
}

/** Presses keys one by one, and resolves with what the terminal has got when the pattern is there. */
async function press (
  process: CommandProcess, keys: string | readonly string[], pattern: RegExp
): Promise<string> {
  const from = process.stdout.length
  for (const key of typeof keys === 'string' ? [keys] : keys) {
    process.write(key)
    await sleep(60)
  }
  await process.sees(pattern, { from })
  return process.stdout.slice(from)
}

t.test('sends requests, shows tables and errors, and leaves by Ctrl-D', { timeout }, async t => {
  const { url, store } = await serveItems(t)
  const prompt = await startPrompt(t, url)
  await press(prompt, 'store.insert bucket=items data={"id":"a","name":"a \u001b[5~lamp"}\r', /"_version": 1[^]*noex> /)
  await store.bucket('items').insert({ id: 'b', name: '\u001b[2J\u009b' })
  const table = await press(prompt, 'store.all bucket=items\r', /id +name[^]*lamp[^]*noex> /)
  t.notMatch(table, /␛\[2J|␛␛/)
  await press(prompt, 'store.get bucket=none key=1\r', /BUCKET_NOT_DEFINED: [^]*noex> /)
  await press(prompt, 'store.get nonsense\r', /nonsense is neither a JSON object nor name=value/)
  await press(prompt, '.help\r', /\.watch QUERY/)
  await press(prompt, '.nothing\r', /there is no \.nothing/)
  prompt.write('\u0004')
  t.equal(await prompt.exited, 0)
})

t.test('completes by Tab, and finds the lines of before, of another run too', { timeout }, async t => {
  const { url } = await serveItems(t)
  const history = join(temporaryDirectory(t), 'history')
  const prompt = await startPrompt(t, url, { NOEX_HISTORY: history })
  await press(prompt, ['store.pag', '\t', 'buck', '\t', 'it', '\t'], /store\.paginate bucket=items/)
  await press(prompt, ' limit=3\r', /no rows|records/)
  await press(prompt, ['shop.', '\t', '\t'], /shop\.never item=/)
  await press(prompt, ['\u0003', 'auth.login token=hidden\r'], /UNKNOWN_OPERATION/)
  await press(prompt, ['\u001b[A'], /store\.paginate bucket=items limit=3/)
  await press(prompt, ['\u0003', '.exit\r'], /exit/)
  t.equal(await prompt.exited, 0)
  t.equal(readFileSync(history, 'utf8'), 'store.paginate bucket=items limit=3\n.exit\n')
  const next = await startPrompt(t, url, { NOEX_HISTORY: history })
  await press(next, ['\u001b[A', '\u001b[A'], /store\.paginate bucket=items limit=3/)
})

t.test('shows live queries above the line that is entered', { timeout }, async t => {
  const { url, store } = await serveItems(t)
  const prompt = await startPrompt(t, url)
  await press(prompt, '.watch all-items\r', /\[1\] all-items[^]*no rows[^]*noex> /)
  prompt.write('store.get buc')
  await sleep(100)
  const from = prompt.stdout.length
  await store.bucket('items').insert({ id: 'a', name: 'lamp' })
  await prompt.sees(/\[1\] all-items[^]*lamp[^]*noex> store\.get buc/, { from })
  await press(prompt, '\u0003', /noex> /)
  await press(prompt, '.watch {"bucket":"none"}\r', /has ended: BUCKET_NOT_DEFINED/)
  await press(prompt, '.stop 7\r', /there is no number 7; there are: \[1\] all-items/)
  await press(prompt, '.stop\r', /noex> /)
  await store.bucket('items').insert({ id: 'b', name: 'quiet' })
  await sleep(300)
  t.notMatch(prompt.stdout, 'quiet')
})

t.test('many changes of a live query do not bury the prompt', { timeout }, async t => {
  const { url, store } = await serveItems(t)
  const prompt = await startPrompt(t, url)
  await press(prompt, '.watch all-items\r', /no rows/)
  const from = prompt.stdout.length
  for (let n = 0; n < 500; n++) await store.bucket('items').insert({ id: `i${n}`, n })
  await prompt.sees(/… and 490 more/, { from })
  const shown = prompt.stdout.slice(from).split('[1] all-items').length
  t.ok(shown < 100, `shown ${shown} times`)
})

t.test('shows events of the rules, and of a flood how many are left out', { timeout }, async t => {
  const rules = await RuleEngine.start()
  t.teardown(async () => { await rules.stop() })
  const { url } = await serve(t, { rules })
  const prompt = await startPrompt(t, url)
  await press(prompt, '.events order.*\r', /order\.\*[^]*noex> /)
  await sleep(300)
  for (const id of ['a', 'b']) await rules.emit('order.large', { id, text: '\u001b[2J\u009b' })
  await prompt.sees(/\[1\] order\.large \{"id":"a"[^]*\[1\] order\.large \{"id":"b"/)
  t.notMatch(prompt.stdout, /␛\[2J|␛␛/)
  for (let i = 0; i < 2_000; i++) rules.emit('order.large', { i })
  await prompt.sees(/… and \d+ more events/)
})

t.test('Ctrl-C gives up a request, clears the line, and the second time leaves', { timeout }, async t => {
  const { url } = await serveItems(t)
  const prompt = await startPrompt(t, url)
  await press(prompt, 'shop.never item=a\r', /item=a/)
  await sleep(200)
  await press(prompt, '\u0003', /given up: [^]*noex> /)
  await press(prompt, ['half', '\u0003'], /\^C[^]*noex> /)
  await press(prompt, '\u0003', /Ctrl-C again, or Ctrl-D, leaves/)
  await press(prompt, 'store.buckets\r', /items/)
  await press(prompt, '\u0003', /Ctrl-C again, or Ctrl-D, leaves/)
  prompt.write('\u0003')
  t.equal(await prompt.exited, 0)
})

t.test('says that the server has gone, and ends by SIGTERM meanwhile', { timeout }, async t => {
  const { url, app } = await serveItems(t)
  const prompt = await startPrompt(t, url)
  await app.close()
  await prompt.sees(/the connection is lost: /)
  await press(prompt, 'half', /half/)
  prompt.write('\u0003\u0003\u0003')
  t.equal(await prompt.exited, 0)
})

t.test('takes the lines of a pipe, one after the other', async t => {
  const { url } = await serveItems(t)
  const from = (text: string): object => ({ stdin: Readable.from([Buffer.from(text)]) })
  const good = '# items\nstore.insert bucket=items data={"id":"a"}\n\nstore.get bucket=items key=a\n'
  const done = await run(connect, [url], from(good))
  t.same([done.code, done.errors], [0, []])
  t.match(done.lines.map(line => JSON.parse(line) as unknown), [{ id: 'a' }, { id: 'a', _version: 1 }])
  const lines = 'store.nothing\nstore.get bucket=items key=a\n.exit\nstore.buckets\n'
  const bad = await run(connect, [url], from(lines))
  t.match(bad, { code: 1, errors: [/UNKNOWN_OPERATION/], lines: [/"a"/] })
  t.equal(bad.lines.length, 1, 'nothing after .exit')
  t.match(await run(connect, [url], from('.watch all-items\n')), { code: 2, errors: [/need a terminal/] })
  t.match(await run(connect, [url]), { code: 2, errors: [/no input/] })
  t.match(await run(connect, ['ws://127.0.0.1:1'], from(good)), { code: 2, errors: [/ECONNREFUSED/] })
  t.match(await run(connect, [url, url], from(good)), { code: 2, errors: [/one URL/] })
})
