import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { auditVerify } from '../../../lib/cli/audit-verify.js'
import { keys, writeTrail } from '../../support/audit-trail-files.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { run, storedLines, terminal } from '../../support/command-line.js'

t.test('audit verify prints whether a trail is good', async t => {
  const directory = temporaryDirectory(t)
  const { path, sidecar, heads } = writeTrail(directory, {
    segments: [30, 40],
    checkpointEvery: 10,
    key: keys.privateKey
  })
  const keyFile = join(directory, 'audit.pem')
  writeFileSync(keyFile, keys.publicKey.export({ type: 'spki', format: 'pem' }))
  const good = await run(auditVerify, ['--public-key', keyFile, path])
  t.same([good.code, good.lines.length, good.errors], [0, 1, []])
  t.match(JSON.parse(good.lines[0] as string), {
    ok: true,
    entries: 70,
    lastHash: heads[2]?.hash,
    warnings: []
  })
  t.same((await run(auditVerify, ['--public-key', keyFile, path], terminal)).lines, [
    'good: 70 entries, 1 to 70', `last hash: ${heads[2]?.hash}`, 'checkpoints: 7, entries after the last: 0'
  ])
  renameSync(sidecar, join(directory, 'kept'))
  t.match((await run(auditVerify, [path], terminal)).lines[3], /^warning: there is no checkpoint/)
  t.equal(
    (await run(auditVerify, ['--checkpoints', join(directory, 'kept'), path], terminal)).lines.length,
    3
  )

  const lines = storedLines(path)
  writeFileSync(path, `${[...lines.slice(0, 3), ...lines.slice(4)].join('\n')}\n`)
  const bad = await run(auditVerify, [path])
  t.same(
    [bad.code, JSON.parse(bad.lines[0] as string)],
    [
      1,
      { ok: false, file: path, line: 4, seq: 34, problem: 'the line is entry 35, where entry 34 should be' }
    ]
  )
  t.same(await run(auditVerify, ['--pretty', path]), {
    code: 1,
    lines: [`bad: ${path}, line 4, entry 34: the line is entry 35, where entry 34 should be`],
    errors: []
  })
})
