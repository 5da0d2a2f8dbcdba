import t, { type Test } from 'tap'
import { jwtAuth, type AuthOptions, type NoexOptions } from '../../lib/index.js'
import { resolveOptions } from '../../lib/options/options.js'
import { checkDeployment } from '../../lib/deployment/deployment-check.js'
import { ADMIN_SECRET } from '../support/identity.js'
import { logText } from '../support/log-into.js'
import { serve, startStore, type Served } from '../support/service.js'

const scrapeToken = 'q7Zt2mXw9LcB4vNf8RkD'

/** Every mode of authentication, each with the token. */
const modes: Readonly<Record<string, AuthOptions>> = {
  external: { validate: () => null, scrapeToken },
  'external, not required': {
    validate: () => null, required: false, permissions: { default: 'deny', rules: [] }, scrapeToken
  },
  jwt: jwtAuth({ secret: 'k'.repeat(32), algorithms: ['HS256'], issuer: 'i', audience: 'a', scrapeToken }),
  gateway: {
    gateway: {
      userHeader: 'X-User', secretHeader: 'X-Secret', secret: 'G5'.repeat(16), trustedProxies: ['10.0.0.1']
    },
    scrapeToken
  },
  builtIn: { builtIn: true, adminSecret: ADMIN_SECRET, scrapeToken }
}

interface Watched extends Served {
  readonly logged: () => string
  readonly status: (url: string, token?: string) => Promise<number>
}

async function watched (t: Test, auth: AuthOptions, options: Partial<NoexOptions> = {}): Promise<Watched> {
  const { logger, logged } = logText('trace')
  const served = await serve(t, {
    allowedOrigins: ['https://desk.example'], routes: { metrics: '/metrics', rpc: '/rpc' }, ...options, auth
  }, { fastify: { logger } })
  const status = async (url: string, token?: string): Promise<number> => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    return (await served.app.inject({ url, headers })).statusCode
  }
  return { ...served, logged, status }
}

for (const [mode, auth] of Object.entries(modes)) {
  t.test(`the scrape token reads metrics and statistics, and does nothing else: ${mode}`, async t => {
    const { app, status, logged, connect } = await watched(t, auth)
    for (const url of ['/metrics', '/stats']) {
      t.equal(await status(url, scrapeToken), 200, url)
      const refused = [401, 403]
      const wrong = [undefined, 'x', `${scrapeToken}x`, scrapeToken.slice(0, -1), scrapeToken.toLowerCase()]
      for (const token of wrong) t.ok(refused.includes(await status(url, token)), `${url} ${token}`)
    }
    const inUrl = await app.inject({ url: `/stats?token=${scrapeToken}` })
    t.not(inUrl.statusCode, 200, 'it counts in the header alone')
    const post = await app.inject({
      method: 'POST',
      url: '/rpc',
      headers: { authorization: `Bearer ${scrapeToken}` },
      payload: { id: 1, type: 'server.stats' }
    })
    t.not(post.json<{ type: string }>().type, 'result')
    if (mode !== 'gateway') {
      const client = await connect()
      const code = await client.code('auth.login', { token: scrapeToken })
      t.ok(['UNAUTHORIZED', 'VALIDATION_ERROR'].includes(code), code)
    }
    t.notMatch(logged().replaceAll(`?token=${scrapeToken}`, ''), scrapeToken, 'it is in no line of the log')
  })
}

t.test('the token shows no system buckets', async t => {
  const { app } = await watched(t, modes['builtIn'] as AuthOptions)
  const headers = { authorization: `Bearer ${scrapeToken}` }
  for (const url of ['/metrics', '/stats']) {
    const { body } = await app.inject({ url, headers })
    t.match(body, 'items')
    t.notMatch(body, '_users')
  }
})

t.test('guesses are limited by address, in every mode', async t => {
  for (const mode of ['external', 'gateway', 'builtIn']) {
    const { status } = await watched(t, modes[mode] as AuthOptions, {
      rateLimit: { maxRequests: 5, windowMs: 60_000 }
    })
    for (let i = 0; i < 20; i++) t.equal(await status('/metrics', scrapeToken), 200)
    const codes: number[] = []
    for (let i = 0; i < 7; i++) codes.push(await status('/metrics', `${i}`.repeat(20)))
    t.same(codes, [401, 401, 401, 401, 401, 429, 429], mode)
  }
})

t.test('a bad token is refused at the start, and one that can be guessed is warned of', async t => {
  const store = await startStore(t)
  const texts = ['', 'x'.repeat(15), 'x'.repeat(4_097), 'with a blank in it', 'ümläüts-are-no-token']
  for (const bad of [...texts, 7, null, {}]) {
    for (const auth of Object.values(modes)) {
      const options = { store, allowedOrigins: [], auth: { ...auth, scrapeToken: bad as string } }
      t.throws(() => resolveOptions(options), { path: 'auth.scrapeToken', message: /16 to 4096/ }, String(bad))
    }
  }
  const advice = (token: string): unknown[] => checkDeployment({
    store, auth: { validate: () => null, scrapeToken: token }
  }).filter(({ option }) => option === 'auth.scrapeToken')
  t.match(advice('changeme-changeme'), [{ id: 'weak-secret' }])
  t.same(advice(scrapeToken), [])
})
