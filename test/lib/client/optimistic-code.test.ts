import { readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import t from 'tap'
import WebSocket from 'ws'
import type { createClient as Create } from '../../../lib/client/index.js'
import { projectFile } from '../../support/project-file.js'
import { serve } from '../../support/service.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'

t.test('a page without the code of optimistic changes is live all the same, and says so', async t => {
  const outdir = temporaryDirectory(t)
  await build({
    stdin: {
      contents: 'export { createClient } from "./index.js"', resolveDir: projectFile('dist/lib/client')
    },
    bundle: true,
    splitting: true,
    format: 'esm',
    outdir,
    outExtension: { '.js': '.mjs' },
    logLevel: 'silent'
  })
  // As after a deployment: the chunks of the page have other names by now.
  const chunk = readdirSync(outdir).find(name => name.startsWith('optimistic-')) ?? ''
  unlinkSync(join(outdir, chunk))
  const { createClient } = await import(pathToFileURL(join(outdir, 'stdin.mjs')).href) as
    { createClient: typeof Create }
  const { url, store } = await serve(t)
  const client = createClient(url, { WebSocket })
  t.teardown(() => { client.close() })
  const query = client.query({ bucket: 'items' })
  query.subscribe(() => {})
  await until(() => query.status === 'live' && client.state.value === 'open')
  const change = client.optimistic(tx => { tx.bucket('items').insert({ n: 1 }) })
  await t.rejects(change, { code: 'DISCONNECTED', outcome: 'not-done', message: /cannot be loaded/ })
  t.equal(await store.bucket('items').count(), 0)
  t.same(query.getSnapshot(), [])
  t.match(await client.request('store.insert', { bucket: 'items', data: { n: 2 } }), { n: 2 })
})
