import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Store } from '../../../lib/exports/store.js'
import { execute } from '../../support/command-line.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

t.test('the commands on the files of a store', { timeout: 240_000 }, async t => {
  const folder = temporaryDirectory(t)
  const [data, file, restored] = ['data', 'shop.backup', 'restored'].map(name => join(folder, name)) as
    [string, string, string]
  const store = await Store.start({ durability: { directory: data } })
  t.teardown(async () => { await store.stop() })
  await store.defineBucket('orders\u001b[2J', { key: 'id', schema: { id: { type: 'string' } } })
  await store.bucket('orders\u001b[2J').insertMany([{ id: 'kept' }, { id: 'removed', text: 'deleted-text' }])
  await store.bucket('orders\u001b[2J').delete('removed')

  await t.test('beside the server', async t => {
    const verified = await execute('verify', data)
    t.match(verified, { code: 0, stderr: '' })
    t.match(JSON.parse(verified.stdout), { ok: true, isRunning: true, revision: store.revision })
    t.match(await execute('verify', '--pretty', data), {
      code: 0, stdout: /^good: .*, revision \d+, a server has it open\n(.*\n)*buckets: 1, records: 1\n/
    })
    t.notOk((await execute('verify', '--pretty', data)).stdout.includes('\u001b'))
    t.match(await execute('backup', data, file), { code: 0, stdout: /"records":1/, stderr: '' })
    t.match(await execute('backup', data, file), { code: 2, stderr: /exists already: .*--force\n$/ })
    t.match(await execute('backup', '--force', '--pretty', data, file), {
      code: 0, stdout: /shop\.backup: revision \d+, buckets: 1, records: 1, \d+ bytes\n$/
    })
    t.match(await execute('backup', '--force', data, join(data, 'store.log')), {
      code: 2, stdout: '', stderr: /store\.log is inside .*data, the directory of a store: name a file/
    })
    t.match(await execute('backup', data, join(folder, 'none', 'x')), { code: 2, stderr: /make it, or name/ })
    t.match(await execute('restore', join(folder, 'none'), restored), { code: 2, stderr: /name a backup\n$/ })
    t.match(await execute('import', data, '--into', `${folder}/./data`), {
      code: 2, stderr: /leave --into out/
    })
    t.match(await execute('compact', data), { code: 2, stderr: /another process has this store\n$/ })
    t.match(await execute('restore', file, data), { code: 2, stderr: /another process has this store\n$/ })
  })

  await store.stop()
  await t.test('on a stopped store', async t => {
    t.match(await execute('restore', file, data), { code: 2, stderr: /has a log already/ })
    t.match(await execute('restore', '--pretty', file, restored), {
      code: 0, stdout: /restored: revision \d+, buckets: 1, records: 1\n$/
    })
    t.match(readFileSync(join(data, 'store.log'), 'utf8'), /deleted-text/)
    t.match(await execute('compact', '--pretty', data), {
      code: 0, stdout: /data: revision \d+, \d+ bytes before, \d+ now\n$/
    })
    t.notMatch(readFileSync(join(data, 'store.log'), 'utf8'), /deleted-text/)
    const again = await Store.start({ durability: { directory: restored } })
    t.equal(await again.bucket('orders\u001b[2J').count(), 1)
    t.ok(again.epoch !== store.epoch && again.revision === store.revision)
    await again.stop()
  })

  await t.test('say what is damaged', async t => {
    const copy = join(folder, 'copy')
    cpSync(data, copy, { recursive: true })
    writeFileSync(join(copy, 'store.json'), readFileSync(join(data, 'store.json'), 'utf8').replace('1', '2'))
    const bad = await execute('verify', copy)
    t.equal(bad.code, 1)
    t.match(JSON.parse(bad.stdout), { ok: false, faults: [/store\.json/] })
    t.match(await execute('verify', '--pretty', copy), { code: 1, stdout: /^bad: .*\nfault: .*store\.json/ })
    writeFileSync(file, readFileSync(file, 'utf8').slice(0, -1))
    t.match(await execute('restore', file, join(folder, 'new')), {
      code: 2, stdout: '', stderr: /shop\.backup, line \d+ \(byte \d+\): the backup is damaged or cut there/
    })
    t.notOk(existsSync(join(folder, 'new')))
  })

  await t.test('say how they are used', async t => {
    for (const command of ['verify', 'backup', 'restore', 'compact']) {
      const usage = new RegExp(`^Usage: fastify-noex ${command} `)
      t.match(await execute(command, '--help'), { code: 0, stdout: usage })
      t.match(await execute(command), { code: 2, stderr: /a file or directory is missing\nAdd --help/ })
      t.match(await execute(command, 'a', 'b', 'c'), { code: 2, stderr: new RegExp(`${command} takes`) })
      t.match(await execute(command, '--colour', 'a'), { code: 2, stderr: /--colour/ })
    }
    for (const command of ['backup', 'restore']) {
      t.match(await execute(command, 'a'), { code: 2, stderr: new RegExp(`${command} takes`) })
    }
    t.match(await execute('verify', join(folder, 'none')), { code: 2, stderr: /there is no such/ })
  })
})
