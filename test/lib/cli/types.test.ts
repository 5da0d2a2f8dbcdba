import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { types } from '../../../lib/cli/types.js'
import { operation, Type } from '../../../lib/index.js'
import { execute, run } from '../../support/command-line.js'
import { compile } from '../../support/compile.js'
import { serve } from '../../support/service.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

const operations = [
  operation({
    name: 'shop.ship',
    input: Type.Object({ item: Type.String(), count: Type.Optional(Type.Integer()) }),
    output: Type.Object({ shipped: Type.Boolean() }),
    handler: () => ({ shipped: true })
  })
]

/** A server of tokens that are the role of their user. */
const auth = {
  validate: (token: string) =>
    ['reader', 'admin'].includes(token) ? { userId: token, roles: [token] } : null
}

t.test('writes the types of a server, which a client of it has', async t => {
  const { url, store } = await serve(t, { operations, path: '/live' })
  store.defineDeclarativeQuery('of-name', { bucket: 'items', filter: { name: '{{ params.name }}' } })
  store.defineQuery('in-code', async context => await context.bucket('items').count())
  const out = join(temporaryDirectory(t), 'server.ts')
  const { code, errors, lines } = await run(types, ['--out', out, `${url}/live?token=secret`])
  t.same([code, errors, lines], [0, [], []])
  const server = readFileSync(out, 'utf8')
  t.match(server, `of '${url}/live'`)
  t.notMatch(server, 'secret')
  const use = `
    import { createClient } from 'fastify-noex/client'
    import type { Operations, Schema } from './server.js'
    export async function use () {
      const client = createClient<Schema, Operations>('${url}/live')
      const { n } = await client.request('store.insert', { bucket: 'items', data: { name: 'a' } })
      const { shipped } = await client.request('shop.ship', { item: 'a' })
      const name = client.query('of-name', { name: 'a' }).getSnapshot()?.[0]?.name
      client.query<number>('in-code')
      return [n satisfies number | null | undefined, shipped satisfies boolean, name]
    }`
  t.same(await compile(t, { server, use }), [])
})

t.test('logs in with a token from the environment or from a file', async t => {
  const { url } = await serve(t, { operations, auth })
  const file = join(temporaryDirectory(t), 'token')
  writeFileSync(file, 'admin\n')
  t.match(await run(types, [url], { env: { NOEX_TOKEN: 'admin' } }), { code: 0, errors: [] })
  t.match(await run(types, ['--token-file', file, url]), { code: 0, errors: [] })
  const { lines } = await run(types, ['--token-file', file, url], { env: { NOEX_TOKEN: 'wrong' } })
  t.match(lines.join('\n'), 'shop.ship', 'the file before the environment')
})

t.test('says what to do where a server cannot be asked', async t => {
  const { url, app } = await serve(t, { auth })
  const web = createServer((_request, response) => { response.end('<html>') })
  await new Promise<void>(resolve => { web.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { web.close() })
  const empty = join(temporaryDirectory(t), 'empty')
  writeFileSync(empty, '\n')
  const wrong = { env: { NOEX_TOKEN: 'wrong' } }
  const cases: Array<[args: string[], message: RegExp, io?: object]> = [
    [[], /a URL is missing/],
    [[url, url], /types takes one URL/],
    [['--what', url], /--what/],
    [['localhost'], /localhost is no URL like wss:\/\//],
    [['--token-file', `${empty}-missing`, url], /ENOENT/],
    [['--token-file', empty, url], /--token-file: .* is empty/],
    [[url], /the server asks for a login: set NOEX_TOKEN/],
    [[url], /does not accept the login/, wrong],
    [[`ws://127.0.0.1:${(web.address() as AddressInfo).port}`], /check URL, server, certificate, proxies/],
    [['--out', join(empty, 'x'), url], /ENOTDIR/, { env: { NOEX_TOKEN: 'admin' } }]
  ]
  for (const [args, message, io] of cases) {
    const { code, lines, errors } = await run(types, args, io)
    t.same([code, lines], [2, []], args.join(' '))
    t.match(errors[0], message)
    t.match(errors[0], /^fastify-noex: /)
  }
  await app.close()
  t.match(await run(types, [url]), { code: 2, errors: [/check URL, server/] })
})

t.test('a wrong path is said to be one, though the server has the routes of HTTP', async t => {
  const { url } = await serve(t, { path: '/live', routes: { rpc: '/rpc', events: '/events' } })
  const { code, errors } = await run(types, [`${url}/wrong?token=secret`])
  t.equal(code, 2)
  t.match(errors[0], /http:\/\/[^ ]+\/wrong answers 404: no WebSocket is at this path/)
  t.match(errors[0], /option `path` of the server, "\/" unless that is set/)
  t.notMatch(errors[0], /secret/)
  t.equal((await run(types, [`${url}/live`])).code, 0)
})

t.test('is a command of the program, with help', async t => {
  const { url } = await serve(t)
  t.match(await execute('types', url), { code: 0, stdout: /export interface Schema/, stderr: '' })
  t.match(await execute('types', '--help'), { code: 0, stdout: /^Usage: fastify-noex types/ })
  t.match(await execute('--help'), { stdout: /^ {2}types /m })
})
