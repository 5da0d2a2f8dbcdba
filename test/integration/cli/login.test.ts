import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { call } from '../../../lib/cli/call.js'
import { run } from '../../support/command-line.js'
import { startOnTerminal } from '../../support/command-process.js'
import { serve, type Served } from '../../support/service.js'
import { serveTokens } from '../../support/external-auth.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

const adminSecret = 'a-secret-of-the-superadmin'

async function serveAccounts (t: Test): Promise<Served> {
  const served = await serve(t, { auth: { builtIn: true, adminSecret } })
  const created = await run(call, [
    '--admin', served.url, 'identity.createUser', 'username=ada', 'password="correct horse"'
  ], { env: { NOEX_ADMIN_SECRET: adminSecret } })
  t.same(created.code, 0, created.errors.join())
  return served
}

t.test('logs in by a token, which an option says before the environment', async t => {
  const { url } = await serveTokens(t)
  const file = join(temporaryDirectory(t), 'token')
  writeFileSync(file, 'admin\n')
  const whoami = async (args: string[], env: Record<string, string>): Promise<string> => {
    const { code, lines, errors } = await run(call, [...args, url, 'auth.whoami'], { env })
    return code === 0 ? (JSON.parse(lines[0] as string) as { userId: string }).userId : errors.join()
  }
  t.equal(await whoami([], { NOEX_TOKEN: 'reader' }), 'rita')
  t.equal(await whoami(['--token', 'writer'], { NOEX_TOKEN: 'reader' }), 'walt')
  t.equal(await whoami(['--token-file', file], { NOEX_TOKEN: 'reader' }), 'anna')
  t.match(await whoami([], {}), /the server asks for a login/)
  t.match(await whoami(['--token', 'wrong'], {}), /does not accept the login: .*Invalid token/)
  t.match(await whoami(['--token', ' '], {}), /--token is empty/)
  t.match(await whoami(['--token-file', '/none'], {}), /ENOENT/)
  t.match(await whoami(['--token', 'a', '--user', 'b'], {}), /--token and --user exclude each other/)
})

t.test('logs in by an account, and as the superadmin', async t => {
  const { url } = await serveAccounts(t)
  const as = async (args: string[], env: object): Promise<unknown> => {
    const { lines, errors } = await run(call, [...args, url, 'auth.whoami'], { env: { ...env } })
    return lines[0] === undefined ? errors.join() : JSON.parse(lines[0])
  }
  t.match(await as(['-u', 'ada'], { NOEX_PASSWORD: 'correct horse' }), { authenticated: true })
  t.match(await as(['-u', 'ada'], { NOEX_PASSWORD: 'wrong' }), /does not accept the login/)
  t.match(await as(['--admin'], { NOEX_ADMIN_SECRET: adminSecret }), { roles: ['superadmin'] })
  t.match(await as(['--admin'], { NOEX_ADMIN_SECRET: 'wrong' }), /does not accept the login/)
  t.match(await as(['-u', 'ada'], {}), /there is no terminal to ask at; set NOEX_PASSWORD/)
  t.match(await as(['--admin'], {}), /set NOEX_ADMIN_SECRET/)
})

t.test('asks for a password on a terminal, and does not show it', { timeout: 120_000 }, async t => {
  const { url } = await serveAccounts(t)
  const right = startOnTerminal(t, ['call', '--json', '-u', 'ada', url, 'auth.whoami'])
  await right.sees(/Password of ada: /)
  right.write('correct horsX\u007fe\r')
  await right.sees(/"authenticated":true/)
  t.equal(await right.exited, 0)
  t.notMatch(right.stdout, /corr|hors/)

  const given = startOnTerminal(t, ['call', '-u', 'ada', url, 'auth.whoami'])
  await given.sees(/Password of ada: /)
  given.write('secret\u0003')
  await given.sees(/nothing was entered/)
  t.equal(await given.exited, 2)
  t.notMatch(given.stdout, /secret/)
})
