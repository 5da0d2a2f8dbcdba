import { generateKeyPairSync } from 'node:crypto'
import {
  chmodSync, copyFileSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { verifyTrail } from '../../../../lib/audit/file/verify.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'
import { entries, open } from '../../../support/audit-journal.js'

t.test('a segment that is removed or replaced meanwhile is noticed before the next entry', async t => {
  for (const remove of [
    (path: string) => { rmSync(path) },
    (path: string) => { renameSync(path, `${path}.1`) }
  ]) {
    const directory = temporaryDirectory(t)
    const path = join(directory, 'audit.jsonl')
    const { journal, made } = open(directory)
    journal.append(entries(1, 3))
    remove(path)
    t.throws(() => { journal.append(entries(4, 4)) }, /removed or replaced/)
    journal.append(entries(4, 4))
    journal.close()
    t.match(readFileSync(path, 'utf8'), /"r4"/, 'it goes on in a new file')
    t.match(made[1], { seq: 3 }, 'a checkpoint names what is gone')
    t.match(
      readFileSync(path, 'utf8'),
      /^[^\n]*"operation":"audit.lost"[^\n]*"details":\{"from":1,"to":3\}/,
      'the new file begins with it'
    )
    t.match(
      await verifyTrail({ files: [path] }),
      { ok: false, line: 1, seq: 1, problem: /^entries 1 to 3 are gone: .*audit.lost/ }
    )
  }
})

t.test('a file that replaces one of the trail is set aside, and the trail goes on', async t => {
  const replacements: Record<string, (path: string) => void> = {
    'a copy of itself' (path) {
      copyFileSync(path, `${path}.copy`)
      renameSync(`${path}.copy`, path)
    },
    'an edited copy' (path) {
      writeFileSync(`${path}.copy`, readFileSync(path, 'utf8').replace('"r2"', '"R2"'))
      renameSync(`${path}.copy`, path)
    },
    'another file' (path) {
      rmSync(path)
      writeFileSync(path, 'of something else\n')
    },
    'shorter content in the same file' (path) { writeFileSync(path, '{"seq":9}\n') },
    'a directory' (path) {
      rmSync(path)
      mkdirSync(path)
      writeFileSync(join(path, 'file'), 'in it')
    },
    'a link to nothing' (path) {
      rmSync(path)
      symlinkSync(`${path}.nothing`, path)
    },
    'a link to itself' (path) {
      rmSync(path)
      symlinkSync(path, path)
    },
    'a link to where it is now' (path) {
      renameSync(path, `${path}.moved`)
      symlinkSync(`${path}.moved`, path)
    }
  }
  for (const [title, replace] of Object.entries(replacements)) {
    const directory = temporaryDirectory(t)
    const path = join(directory, 'audit.jsonl')
    const { journal } = open(directory)
    for (const from of [1, 5]) {
      journal.append(entries(from, from + 2))
      replace(path)
      const waiting = entries(from + 3, from + 3)
      t.throws(
        () => { journal.append(waiting) },
        /(removed or replaced|cut): lost to the trail: .* new file$/,
        title
      )
      journal.append(waiting)
      t.match(readFileSync(path, 'utf8'), /^[^\n]*"operation":"audit.lost"/, title)
    }
    journal.close()
    if (title !== 'shorter content in the same file') {
      t.ok(lstatSync(`${path}.foreign`), title)
      t.ok(lstatSync(`${path}.foreign.2`), `${title}: the first one stays`)
    }
    open(directory).journal.close()
    t.match(await verifyTrail({ files: [path] }), { ok: false, problem: /are gone: .*audit.lost/ }, title)

    const sidecar = join(directory, 'audit.checkpoints')
    const { journal: next, made, warnings } = open(directory)
    replace(sidecar)
    next.append(entries(20, 20))
    next.checkpoint()
    t.equal(made.length, 1, `${title}, of checkpoints`)
    t.match(warnings, [/has been removed, replaced/], title)
    next.close()
  }
})

t.test('a file that cannot be set aside is named with the remedy, and then the trail goes on', async t => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'audit.jsonl')
  const { journal } = open(directory)
  journal.append(entries(1, 1))
  rmSync(path)
  writeFileSync(path, 'of something else\n')
  for (let n = 1; n <= 1_000; n++) writeFileSync(`${path}.foreign${n === 1 ? '' : `.${n}`}`, '')
  const waiting = entries(2, 2)
  for (let i = 0; i < 3; i++) {
    const told = /audit\.jsonl is not the trail's and cannot be moved to .*: move it away/
    t.throws(() => { journal.append(waiting) }, told)
  }
  t.equal(readFileSync(path, 'utf8'), 'of something else\n')
  rmSync(path)
  journal.append(waiting)
  journal.close()
  t.match(readFileSync(path, 'utf8'), /"audit.lost"/)
})

t.test('files that others can read become the owner\'s', async t => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'audit.jsonl')
  writeFileSync(path, '')
  chmodSync(path, 0o644)
  open(directory).journal.close()
  t.equal(statSync(path).mode & 0o777, 0o600)
})

t.test('entries without a checkpoint are reported', async t => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const directory = temporaryDirectory(t)
  t.equal(open(directory, { key: privateKey }).journal.unsigned, 0, 'an empty trail has none')
  open(directory).journal.append(entries(1, 5))
  rmSync(join(directory, 'audit.checkpoints'))
  const { journal } = open(directory, { key: privateKey })
  t.equal(journal.unsigned, 5)
  journal.close()
  t.equal(open(directory, { key: privateKey }).journal.unsigned, 0)
})
