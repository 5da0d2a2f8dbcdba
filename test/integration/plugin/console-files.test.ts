import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { join, dirname } from 'node:path'
import { gzipSync } from 'node:zlib'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { noexPlugin, NoexOptionsError, type NoexOptions } from '../../../lib/index.js'
import { relativePath } from '../../../routes/relative-path.js'
import { projectFile } from '../../support/project-file.js'
import { serve, startStore } from '../../support/service.js'

type Answer = Awaited<ReturnType<FastifyInstance['inject']>>

/** The largest size of all files of the console as they are sent, in bytes. */
const MAX_BYTES = 150_000

/** Returns the paths that a page or a module names, resolved from its own. */
function linksIn (text: string, from: string): string[] {
  const found = text.matchAll(/(?:href|src)="([^"]+)"|(?:from|import) ?\(?'(\.[^']+)'/g)
  return [...found].map(([, href, module]) => new URL(href ?? module ?? '', `http://host${from}`).pathname)
}

/** Gets the page, and all that is reached from it. */
async function everyFile (app: FastifyInstance, path: string): Promise<Map<string, Answer>> {
  const files = new Map<string, Answer>()
  const waiting = [path]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (files.has(next)) continue
    const answer = await app.inject(next)
    files.set(next, answer)
    if (/html|javascript/.test(String(answer.headers['content-type']))) {
      waiting.push(...linksIn(answer.body, next))
    }
  }
  return files
}

async function served (t: Test, options: Omit<NoexOptions, 'store'> = {}): Promise<FastifyInstance> {
  return (await serve(t, { routes: { console: '/console' }, ...options })).app
}

t.test('there is no console unless the options say so', async t => {
  const { app } = await serve(t)
  for (const path of ['/console', '/console/', '/console/console.css']) {
    t.equal((await app.inject(path)).statusCode, 404, path)
  }
})

t.test('all that the page needs comes from below it, and is small', async t => {
  const files = await everyFile(await served(t), '/console/')
  t.ok(files.size > 40, `${files.size} files`)
  let bytes = 0
  for (const [path, { statusCode, rawPayload }] of files) {
    t.equal(statusCode, 200, path)
    t.ok(path.startsWith('/console/'), path)
    bytes += gzipSync(rawPayload).length
  }
  t.comment(`${files.size} files, ${bytes} bytes compressed`)
  t.ok(bytes <= MAX_BYTES, `${bytes} bytes`)
})

t.test('every file has the policy of the console, and may be in no frame', async t => {
  for (const [path, { headers }] of await everyFile(await served(t), '/console/')) {
    const policy = String(headers['content-security-policy'])
    for (const part of [
      "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
      "frame-ancestors 'none'", "form-action 'none'", "require-trusted-types-for 'script'"
    ]) t.ok(policy.includes(part), `${path}: ${part}`)
    t.notMatch(policy, /unsafe|https?:|\*/, path)
    t.equal(headers['x-content-type-options'], 'nosniff')
  }
})

t.test('no file has code or styles in markup, or names another host', async t => {
  for (const [path, { body, headers }] of await everyFile(await served(t), '/console/')) {
    const type = String(headers['content-type'])
    if (type.includes('html')) {
      t.notMatch(body, /<style|style=|<script(?![^>]*src=)|\son\w+=/i)
      t.notMatch(body, /(href|src)="(\/|\w+:)/)
    }
    // The name of the project of uPlot stands in the comment of its licence.
    const text = body.replace(/\/\*!.*?\*\//, '')
    if (!type.includes('svg')) t.notMatch(text, /["'(]https?:\/\//, path)
    if (path.includes('/console/console/')) {
      t.notMatch(text, /innerHTML|outerHTML|insertAdjacent|document\.write/, path)
    }
  }
})

t.test('the console is found without its last slash, and under any prefix', async t => {
  const store = await startStore(t)
  for (const [prefix, place, path] of [
    ['', '/console', '/live'], ['/api', '/ops/console', '/'], ['', '/', '/live'], ['/api', '/', '/live'],
    ['', '/console/', '/']
  ] as const) {
    for (const ignoreTrailingSlash of [false, true]) {
      const app = Fastify({ routerOptions: { ignoreTrailingSlash } })
      t.teardown(async () => { await app.close() })
      await app.register(noexPlugin, { store, prefix, path, routes: { console: place } })
      const bare = `${prefix}${place}`.replace(/\/$/, '')
      const url = new URL(`http://host${bare}`)
      const first = await app.inject(bare === '' ? '/' : bare)
      const home = new URL(first.statusCode === 302 ? String(first.headers.location) : url, url).pathname
      t.equal(home, `${bare}/`)
      const { body, statusCode } = await app.inject(home)
      t.equal(statusCode, 200)
      const [, socket = ''] = /data-socket="([^"]*)"/.exec(body) ?? []
      const reached = new URL(socket, `http://host${home}`).pathname
      t.equal((await app.inject(reached)).statusCode, 426, `${prefix} ${place} ${path}: ${reached}`)
      t.equal((await app.inject(`${home}console/main.js`)).statusCode, 200)
    }
  }
})

t.test('a file comes compressed to who takes that, and not again to who has it', async t => {
  const app = await served(t)
  const ask = async (headers: Record<string, string>): Promise<Answer> =>
    await app.inject({ url: '/console/console/main.js', headers })
  const plain = await ask({})
  const small = await ask({ 'accept-encoding': 'br, gzip' })
  t.equal(plain.headers['content-encoding'], undefined)
  t.equal(small.headers['content-encoding'], 'gzip')
  t.match(small.headers.vary, /Accept-Encoding/)
  t.ok(small.rawPayload.length < plain.rawPayload.length)
  t.not(small.headers.etag, plain.headers.etag)
  t.equal((await ask({ 'accept-encoding': 'gzip;q=0' })).headers['content-encoding'], undefined)
  for (const { headers } of [plain, small]) {
    const encoding = headers['content-encoding'] === undefined ? {} : { 'accept-encoding': 'gzip' }
    const again = await ask({ ...encoding, 'if-none-match': String(headers.etag) })
    t.match(again, { statusCode: 304, body: '' })
  }
})

t.test('the names of the options are text in the page', async t => {
  const app = await served(t, { name: '"><script>alert(1)</script>', path: '/live/"<x>' })
  const { body } = await app.inject('/console/')
  t.notMatch(body, /<script>alert|"<x>/)
  t.match(body, /data-name="&quot;&gt;&lt;script&gt;/)
})

t.test('the page says how to log in', async t => {
  const validate = () => null
  for (const [auth, login] of [
    [undefined, 'none'],
    [{ builtIn: true, adminSecret: 'a secret of sixteen characters' }, 'accounts'],
    [{ validate }, 'token'],
    [{ validate, required: false }, 'optional'],
    [{ gateway: { userHeader: 'x-user', trustedProxies: ['127.0.0.1'] } }, 'gateway']
  ] as const) {
    const { body } = await (await served(t, { auth, allowedOrigins: ['http://host'] } as Omit<NoexOptions, 'store'>)).inject('/console/')
    t.match(body, `data-login="${login}"`)
  }
})

t.test('a path that is taken is refused at boot', async t => {
  const store = await startStore(t)
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  app.get('/console', async () => 'mine')
  await t.rejects(async () => {
    await app.register(noexPlugin, { store, routes: { console: '/console' } })
    await app.ready()
  }, { constructor: NoexOptionsError, message: /GET \/console is taken/ })
})

t.test('uPlot is that of the package, with its licence', t => {
  const folder = dirname(createRequire(import.meta.url).resolve('uplot/package.json'))
  for (const [own, theirs] of [
    ['uPlot.js', 'dist/uPlot.iife.min.js'], ['uPlot.css', 'dist/uPlot.min.css'], ['uPlot.LICENSE', 'LICENSE']
  ] as const) {
    const text = readFileSync(projectFile(`assets/console/${own}`), 'utf8')
    t.equal(text, readFileSync(join(folder, theirs), 'utf8'), own)
  }
  t.end()
})

const browser = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }

t.test('the socket and the statistics say in a browser what they are, and where the console is', async t => {
  for (const [prefix, path] of [['', '/'], ['/api', '/'], ['', '/deep/live'], ['/api', '/live']] as const) {
    const app = await served(t, { prefix, path, name: 'shop <1>' })
    for (const [place, status] of [[path, 426], ['/stats', 200]] as const) {
      const url = `${prefix}${place}`.replace(/(.)\/$/, '$1')
      const { statusCode, body, headers } = await app.inject({ url, headers: browser })
      t.equal(statusCode, status, url)
      t.match(headers, { 'content-type': 'text/html; charset=utf-8', vary: /Accept/ })
      t.match(headers['content-security-policy'], /default-src 'none'/)
      t.match(body, 'shop &lt;1&gt;')
      const [, href = ''] = /href="([^"]+)"/.exec(body) ?? []
      t.equal(new URL(href, `http://host${url}`).pathname, `${prefix}/console/`, url)
      const json = await app.inject({ url, headers: { accept: '*/*' } })
      t.match(json.headers['content-type'], 'application/json', 'programs get JSON')
    }
  }
})

t.test('without a console the pages do not name one, and a refusal is a page too', async t => {
  const { app } = await serve(t, { auth: { validate: () => null } })
  const stats = await app.inject({ url: '/stats', headers: browser })
  t.match(stats, { statusCode: 401, headers: { 'www-authenticate': 'Bearer' }, body: /A valid token is required/ })
  t.match(stats.headers['content-type'], 'text/html')
  t.notMatch(stats.body, 'href')
  t.match((await app.inject('/stats')).headers['content-type'], 'application/json')
})

t.test('a way from one path to another is relative', t => {
  for (const [from, to, way] of [
    ['/console', '/live', '../live'], ['/console', '/', '../'], ['/', '/live', 'live'], ['/', '/', './'],
    ['/a/b', '/a/c', '../../a/c']
  ] as const) t.equal(relativePath(from, to), way)
  t.end()
})
