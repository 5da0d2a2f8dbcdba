import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { jsonlSink, verifyTrail } from '../../../lib/exports/audit.js'
import { FakeRuleEngine } from '../../support/fake-rule-engine.js'
import { serve, startStore } from '../../support/service.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

t.test('a trail in files beside a durable store has each request and each repetition', async t => {
  const folder = temporaryDirectory(t)
  const path = join(folder, 'trail.jsonl')
  const store = await startStore(t, { durability: { directory: join(folder, 'store') } })
  const audit = { tiers: ['write', 'admin'], sinks: [jsonlSink({ path })] } as const
  const { app, connect } = await serve(t, { audit, rules: new FakeRuleEngine() }, { store })
  const client = await connect()
  const requests: ReadonlyArray<readonly [type: string, fields: object]> = [
    ['store.insert', { bucket: 'items', data: {}, idempotencyKey: 'a' }],
    ['store.updateMany', { bucket: 'items', filter: { name: 'none' }, data: {}, idempotencyKey: 'b' }],
    ['rules.emit', { topic: 'a', idempotencyKey: 'c' }],
    ['store.defineQuery', { name: 'q', config: { bucket: 'items' }, idempotencyKey: 'd' }]
  ]
  for (const [type, fields] of requests) {
    const first = await client.request(type, fields)
    t.equal(first['type'], 'result', type)
    t.same((await client.request(type, fields))['data'], first['data'])
  }
  await app.close()
  t.match(await verifyTrail({ files: [path] }), { ok: true })
  const entries = readFileSync(path, 'utf8').trim().split('\n')
    .map(line => JSON.parse(line))
    .filter(({ operation }) => requests.some(([type]) => type === operation))
  t.same(
    entries.map(({ operation, result, details }) => [operation, result, details ?? null]),
    requests.flatMap(([type]) => [[type, 'success', null], [type, 'success', { repeated: true }]])
  )
  const revisions = entries.map(({ revision }) => revision as number | undefined)
  t.ok(revisions.every((revision, i) => (revision === undefined) === (i % 2 === 1)), revisions.join())
  t.equal(revisions.at(-2), store.revision, 'that of the last commit, which remembers the request')
})
