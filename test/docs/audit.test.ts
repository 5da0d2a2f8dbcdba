import { join } from 'node:path'
import t from 'tap'
import { verifyTrail } from '../../lib/audit/file/verify.js'
import type { AuditOptions } from '../../lib/audit/audit-options.js'
import { serve } from '../support/service.js'
import { runSample, setEnvironment } from '../support/documents.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const document = 'docs/audit.md'

t.test('its sample of a file sink writes a trail that can be verified', async t => {
  const path = join(temporaryDirectory(t), 'audit.jsonl')
  const here = (code: string): string => code.replace('\'audit.jsonl\'', JSON.stringify(path))
  const { audit } = await runSample(t, document, 'jsonl', [], here) as { audit: AuditOptions }
  const { app, connect } = await serve(t, { audit })
  await (await connect()).ask('store.insert', { bucket: 'items', data: {} })
  await app.close()
  t.match(await verifyTrail({ files: [path] }), { ok: true, entries: 2 })
})

t.test('its sample of a table is a sink', async t => {
  setEnvironment(t, 'DATABASE_URL', 'postgres://postgres@127.0.0.1:1/test')
  const { audit } = await runSample(t, document, 'postgres', []) as { audit: AuditOptions }
  t.match(audit.sinks, [{ name: /postgres/, policy: { write: 'block' } }])
})
