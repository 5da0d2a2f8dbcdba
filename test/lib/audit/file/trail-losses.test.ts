import {
  appendFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync,
  truncateSync, writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Checkpoint } from '../../../../lib/audit/chain/checkpoint.js'
import { keys } from '../../../support/audit-trail-files.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'
import { Trail } from '../../../support/written-trail.js'

interface Loss {
  readonly change: (trail: Trail) => void
  /** Problem of a verification after the process has continued and stopped. */
  readonly running: RegExp
  /** Warning of the journal meanwhile; absent where it cannot notice. */
  readonly told?: RegExp
  /** Problem of a verification while the process is stopped. */
  readonly stopped: RegExp
  /** Why a start is refused; absent where it continues, and a verification has the same result as before. */
  readonly start?: RegExp
  /** Whether a crash leaves the same: a start repairs it. */
  readonly isCrash?: true
}

const losses: Record<string, Loss> = {
  'the current segment is removed': {
    change ({ path }) { rmSync(path) },
    running: /^entries 29 to 30 are gone: .*\(audit\.lost\)/,
    told: /removed or replaced: lost to the trail: entries 29 to 30/,
    stopped: /^entries 29 to 30: missing; the trail ends here/,
    start: /a checkpoint names 30: entries are missing/
  },
  'the current segment is renamed': {
    change ({ path }) { renameSync(path, `${path}.1`) },
    running: /^entries 29 to 30 are gone: .*\(audit\.lost\)/,
    told: /removed or replaced: lost to the trail: entries 29 to 30/,
    stopped: /^entries 29 to 30: missing/,
    start: /entries are missing/
  },
  'the current segment is replaced by an empty file': {
    change ({ path }) {
      rmSync(path)
      writeFileSync(path, '')
    },
    running: /^entries 29 to 30 are gone: .*\(audit\.lost\)/,
    told: /removed or replaced/,
    stopped: /^entries 29 to 30: missing/,
    start: /entries are missing/
  },
  'the current segment is emptied': {
    change ({ path }) { truncateSync(path) },
    running: /^entries 29 to 30 are gone: .*\(audit\.lost\)/,
    told: /has been cut: lost to the trail: entries 29 to 30/,
    stopped: /^entries 29 to 30: missing/,
    start: /entries are missing/
  },
  'the current segment is cut at the end of a line': {
    change ({ path }) { truncateSync(path, readFileSync(path).indexOf('\n') + 1) },
    running: /^entry 30 is gone: .*\(audit\.lost\)/,
    told: /has been cut: lost .*: entry 30/,
    stopped: /^entry 30: missing/,
    start: /entries are missing/
  },
  'the current segment is cut within a line': {
    change ({ path }) { truncateSync(path, statSync(path).size - 5) },
    running: /^entry 30 is gone: .*\(audit\.lost\)/,
    told: /has been cut: lost .*: entry 30/,
    stopped: /the line does not end with a line feed/,
    start: /the trail is damaged/
  },
  'lines that are none of the trail are added to the current segment': {
    change ({ path }) { appendFileSync(path, 'hello\n') },
    running: /^$/,
    told: /had 6 bytes that are not of this trail/,
    stopped: /not an entry/,
    start: /the trail is damaged/
  },
  'the oldest segment is removed': {
    change ({ closed }) { rmSync(closed[0] as string) },
    running: /^entries 1 to 7 are gone: the trail does not say/,
    stopped: /^entries 1 to 7 are gone: the trail does not say/
  },
  'a segment in the middle is removed': {
    change ({ closed }) { rmSync(closed[1] as string) },
    running: /^entries 8 to 14 are gone: there are others before and after/,
    stopped: /^entries 8 to 14 are gone: there are others before and after/,
    start: /entries 8 to 14 are missing/
  },
  'the last closed segment is removed': {
    change ({ closed }) { rmSync(closed.at(-1) as string) },
    running: /^entries 22 to 28 are gone: there are others before and after/,
    stopped: /^entries 22 to 28 are gone: there are others before and after/,
    start: /it is entry 29, but what comes before it ends with entry 21/
  },
  'all segments are removed': {
    change ({ closed, path }) { for (const file of [...closed, path]) rmSync(file) },
    running: /^entries 1 to 30 are gone|^entries 1 to 28 are gone/,
    told: /removed or replaced: lost to the trail: entries 29 to 30/,
    stopped: /there is no file of the trail, but there are checkpoints/,
    start: /a checkpoint names 30: entries are missing/
  },
  'the checkpoints are removed': {
    change ({ sidecar }) { rmSync(sidecar) },
    running: /does not follow the one before it/,
    told: /checkpoints has been removed, replaced, cut/,
    stopped: /there is no checkpoint, so nothing here is signed|^$/,
    start: /states nothing, but .* was closed with entry 28: checkpoints are missing/
  },
  'the checkpoints are emptied': {
    change ({ sidecar }) { truncateSync(sidecar) },
    running: /does not follow the one before it/,
    told: /checkpoints has been removed, replaced, cut/,
    stopped: /there is no checkpoint, so nothing here is signed|^$/,
    start: /checkpoints are missing/
  },
  'the newest checkpoints are cut off': {
    change ({ sidecar }) { truncateSync(sidecar, readFileSync(sidecar).indexOf('\n') + 1) },
    running: /does not follow the one before it/,
    told: /checkpoints has been removed, replaced, cut/,
    stopped: /no checkpoint states entry 7, with which .* was closed/,
    start: /states entry 0 last, but .* was closed with entry 28: checkpoints are missing/
  },
  'the checkpoints are cut within a line': {
    change ({ sidecar }) { truncateSync(sidecar, statSync(sidecar).size - 5) },
    running: /damaged/,
    told: /checkpoints has been removed, replaced, cut/,
    stopped: /does not end with a line feed/,
    isCrash: true
  },
  'a checkpoint in the middle is removed': {
    change ({ sidecar }) {
      const lines = readFileSync(sidecar, 'utf8').split('\n')
      writeFileSync(sidecar, [...lines.slice(0, 3), ...lines.slice(4)].join('\n'))
    },
    running: /does not follow the one before it/,
    told: /checkpoints has been removed, replaced, cut/,
    stopped: /does not follow the one before it/
  }
}

for (const [title, { change, running, told, stopped, start, isCrash = false }] of Object.entries(losses)) {
  for (const key of [keys.privateKey, undefined]) {
    const kind = key === undefined ? 'unsigned' : 'signed'
    t.test(`${title}, ${kind}, while the process runs`, async t => {
      const trail = new Trail(temporaryDirectory(t), { key })
      trail.open()
      trail.write(30)
      change(trail)
      trail.write(25)
      trail.close()
      t.match([...trail.failures, ...trail.warnings].join('\n'), told ?? /^$/)
      const isHarmless = running.test('')
      for (const round of ['it has gone on', 'it has started again']) {
        const result = await trail.verify()
        t.equal(result.ok, isHarmless, `${round}: ${JSON.stringify(result)}`)
        if (!result.ok) t.match(result.problem, running, round)
        // A start continues after recorded losses, and is refused where other entries are missing.
        if (round === 'it has started again' || /others before and after/.test(String(running))) continue
        trail.open()
        trail.write(3)
        trail.close()
      }
      const last = trail.made.at(-1) as Checkpoint
      t.match(
        await trail.verify(last),
        { ok: true, lastSeq: last.seq },
        'after a checkpoint of a later time it is good'
      )
    })

    t.test(`${title}, ${kind}, while the process is stopped`, async t => {
      const trail = new Trail(temporaryDirectory(t), { key })
      trail.open()
      trail.write(30)
      trail.close()
      change(trail)
      const result = await trail.verify()
      t.match(result.ok ? '' : result.problem, stopped, JSON.stringify(result))
      if (result.ok) {
        t.match(result.warnings, [/there is no checkpoint/], 'without signatures only a warning remains')
      }
      if (start !== undefined) {
        t.throws(() => { trail.open() }, start)
        return
      }
      trail.open()
      trail.write(10)
      trail.close()
      t.match(await trail.verify(), { ok: isCrash }, 'going on does not hide it')
    })
  }
}

t.test('when all files are removed, a running journal reports it, and a new one begins again', async t => {
  const trail = new Trail(temporaryDirectory(t), { key: keys.privateKey })
  const removeAll = (): void => {
    for (const name of readdirSync(trail.directory)) rmSync(join(trail.directory, name))
  }
  trail.open()
  trail.write(30)
  removeAll()
  trail.write(10)
  trail.close()
  for (let round = 0; round < 2; round++) {
    t.match(
      await trail.verify(),
      { ok: false, seq: 1, problem: /^entries 1 to 30 are gone|^entries 1 to 28 are gone/ }
    )
    trail.open()
    trail.write(1)
    trail.close()
  }
  t.match(await trail.verify(trail.made.at(-1)), { ok: true })
  removeAll()
  await t.rejects(trail.verify(), { code: 'ENOENT' })
  trail.open()
  trail.write(3)
  trail.close()
  t.match(await trail.verify(), { ok: true, firstSeq: 1, lastSeq: 3 })
  t.match(
    trail.made.slice(-2),
    [{ seq: 0 }, { seq: 3 }],
    'checkpoints that are kept elsewhere show that it begins anew'
  )
})

t.test('a symbolic link in the place of a file is not followed', t => {
  for (const name of ['audit.jsonl', 'audit.checkpoints']) {
    const directory = temporaryDirectory(t)
    const target = join(directory, 'target')
    writeFileSync(target, '')
    symlinkSync(target, join(directory, name))
    t.throws(() => { new Trail(directory).open() }, { code: 'ELOOP' })
    t.equal(statSync(target).size, 0)
  }
  t.end()
})

t.test('a loss that is noticed only when the process stops is recorded too', async t => {
  const trail = new Trail(temporaryDirectory(t), { key: keys.privateKey })
  trail.open()
  trail.write(10)
  rmSync(trail.path)
  trail.close()
  t.ok(existsSync(trail.path))
  t.match(await trail.verify(), { ok: false, problem: /are gone: .*audit\.lost/ })
})
