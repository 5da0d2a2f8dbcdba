import t from 'tap'
import { resolveOptions } from '../../lib/options/options.js'
import { serve, startStore } from '../support/service.js'
import { readDocument, runBody, sample, tableBelow } from '../support/documents.js'

const path = 'docs/operating.md'

t.test('its sample of a shutdown drains before it closes', async t => {
  const { app, connect } = await serve(t)
  const calls: string[] = []
  let listener: (event: { err?: Error }) => Promise<void> = async () => {}
  const closeWithGrace = (_options: object, given: typeof listener): void => { listener = given }
  const store = { stop: async () => { calls.push('store stopped') } }
  await runBody(sample(path, 'drain'), { closeWithGrace, app, store })
  const client = await connect()
  await listener({})
  t.match(await client.closed, { code: 1000, reason: 'server_shutdown' })
  t.equal(app.noex.state, 'closed')
  t.same(calls, ['store stopped'])
})

t.test('its table of limits names options that exist', async t => {
  const rows = tableBelow(readDocument(path), '| what a client may do too much of |')
    .matchAll(/^\| [^|]+ \| ([^|]+) \|/gm)
  const options = [...rows].flatMap(([, cell = '']) => [...cell.matchAll(/`([\w.]+)`/g)])
    .map(([, name = '']) => name)
  t.ok(options.length > 10, 'it names options')
  const resolved = resolveOptions({
    store: await startStore(t),
    auth: { builtIn: true, adminSecret: 'x' },
    rateLimit: { maxRequests: 1, windowMs: 1 }
  })
  for (const option of options) {
    if (option === 'headersTimeout') continue
    const value = option.split('.').reduce<unknown>((group, name) =>
      (group as Record<string, unknown> | undefined)?.[name], resolved)
    t.not(value, undefined, option)
  }
})
