import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { execute, programEnv, programFile } from '../support/command-line.js'
import { readDocument, sample, tableBelow } from '../support/documents.js'
import { startServe, writeConfig } from '../support/serve-command.js'

const path = 'docs/command-line.md'

/** The lines of `--help`: name and text of each command. */
async function commandsOfHelp (): Promise<string[][]> {
  const { stdout } = await execute('--help')
  return [...stdout.matchAll(/^ {2}(\w+(?: \w+)?) {2,}(.+)$/gm)].map(([, name = '', text = '']) => [name, text])
}

t.test('its table has the commands, as --help has them', async t => {
  const rows = [...tableBelow(readDocument(path), '| command | |').matchAll(/^\| `([\w ]+)` \| (.+) \|$/gm)]
  t.same(rows.map(([, name, text]) => [name, text]), await commandsOfHelp())
})

t.test('every command has help with its options and exit codes', { timeout: 120_000 }, async t => {
  for (const [name = ''] of await commandsOfHelp()) {
    const { code, stdout } = await execute(...name.split(' '), '--help')
    t.equal(code, 0, name)
    t.match(stdout, `Usage: fastify-noex ${name} `)
    t.match(stdout, /-h, --help +print this\n[^]*\nExit codes: 0/, name)
    for (const line of stdout.split('\n')) t.ok(line.length <= 115, line)
  }
})

t.test('its configuration is right, and its commands work with it', { timeout: 120_000 }, async t => {
  const config = JSON.parse(sample(path, 'config')) as Record<string, unknown>
  const file = writeConfig(t, { ...config, port: 0 })
  const [secret = '', ...commands] = sample(path, 'serve').trim().split('\n')
  t.match(secret, /^export NOEX_ADMIN_SECRET=/)
  t.same(commands.map(line => line.replace('npx fastify-noex ', '')), [
    'serve --check -c noex.json', 'serve -c noex.json'
  ])
  const env = { NOEX_ADMIN_SECRET: '9f86d081884c7d659a2feaa0c55ad015' }
  const { url, process: server } = await startServe(t, file, [], env)
  const shell = async (line: string): Promise<{ stdout: string, stderr: string }> => {
    const command = line.replaceAll('npx fastify-noex', `"${process.execPath}" "${programFile}"`)
      .replaceAll('ws://localhost:8080', url)
    return await promisify(execFile)('/bin/bash', ['-c', command], { env: { ...programEnv, ...env } })
  }
  const lines = sample(path, 'call').trim().split('\n')
  const results = []
  for (const line of lines) {
    const { stdout, stderr } = await shell(line)
    t.equal(stderr, '', line)
    results.push(JSON.parse(stdout) as unknown)
  }
  t.match(results, [
    { username: 'ada' }, { item: 'lamp', total: 20, status: 'new' }, [{ item: 'lamp' }], 1, [{ item: 'lamp' }]
  ])
  server.child.kill('SIGTERM')
  t.equal(await server.exited, 0)
})
