import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'tap'
import { importDirectory } from '../src/tools/index.js'
import { adapterFolder, startOn } from './support/adapter-folder.js'
import { temporaryDirectory } from './support/temporary-directory.js'

const run = promisify(execFile)
const importer = fileURLToPath(new URL('./fixtures/importer.js', import.meta.url))
const hasStrace = process.platform === 'linux' && await run('strace', ['-V']).then(() => true, () => false)
const skip = !hasStrace && process.env['CI'] === undefined && 'no strace'
const calls = 'pwrite64,fdatasync,fsync,ftruncate,rename,unlink,unlinkat,rmdir,mkdir,link,linkat,chmod,fchmod'

test('an import that is killed at any call has imported nothing, or goes on', { skip }, async t => {
  const { directory: whole } = await adapterFolder(t)
  writeFileSync(join(whole, 'rules.json'), '{}')
  const env = { ...process.env, NODE_OPTIONS: '' }
  const files = readdirSync(whole).sort()
  const folder = temporaryDirectory(t)
  const imported = join(folder, 'imported')
  await importDirectory({ directory: whole, into: imported })
  const expected = await startOn(t, imported)
  const image = expected.image()
  await expected.stop()

  /** Runs an import under strace; counts are of the first thread, or of the one that writes the log. */
  const trace = async (
    [directory, into]: readonly [string, string], isThread: boolean, ...options: string[]
  ): Promise<unknown> => {
    const paths = ['', 'store.json', 'store.json.new', 'store.log', 'store.mark', 'store.lock']
      .flatMap(name => ['-P', join(into, 'import.new', name)])
    const args = ['-qq', ...(isThread ? ['-f', ...paths] : []), ...options]
    return await run('strace', [...args, process.execPath, importer, directory, into], { env })
  }
  const prepare = (isInPlace: boolean): readonly [directory: string, into: string] => {
    const directory = mkdtempSync(join(folder, 'run-'))
    cpSync(whole, directory, { recursive: true })
    return [directory, isInPlace ? directory : join(directory, 'into')]
  }

  let [killed, old, finished] = [0, 0, 0]
  for (const [isInPlace, isThread] of [[true, false], [true, true], [false, false]] as const) {
    const output = join(folder, 'calls')
    await trace(prepare(isInPlace), isThread, '-o', output, '-e', `trace=${calls}`)
    const counts = new Map<string, number>()
    const points = readFileSync(output, 'utf8').split('\n').slice(0, -1).map(line => {
      // The number of a thread stands before the call, where there are several; each counts its own.
      const [caller, call] = /^.*?(\w+)(?=\()/.exec(line) as unknown as [string, string]
      counts.set(caller, (counts.get(caller) ?? 0) + 1)
      return `${call}:signal=SIGKILL:when=${counts.get(caller)}`
    })
    const stride = process.env['THOROUGH'] === '1' ? 4 : 8
    const first = Math.floor(Math.random() * stride)
    for (const inject of [...new Set(points)].filter((_, i) => i % stride === first)) {
      const point = `${inject} ${isThread ? 'in the thread ' : ''}${isInPlace ? 'in place' : 'into another'}`
      const place = prepare(isInPlace)
      const [directory, into] = place
      const options = ['-o', '/dev/null', '-e', `trace=${calls}`, '-e', `inject=${inject}`]
      const end = await trace(place, isThread, ...options).catch((error: { signal?: string }) => error.signal)
      t.equal(end, 'SIGKILL', point)
      killed++
      const left = readdirSync(directory)
      // In between, no store starts, and the files of before are there as long as the log is not.
      const isOld = files.every(name => left.includes(name))
      if (isOld) old++
      else if (!left.includes('store.json')) t.fail(`${point}: neither the old files nor the log`)
      if (isInPlace && (isOld || left.includes('import.done'))) {
        await t.rejects(startOn(t, directory), /fastify-noex import/)
      }
      const again = isInPlace ? { directory } : { directory, into }
      const text = await importDirectory(again).then(() => '', ({ message }: Error) => message)
      if (text === '') finished++
      else t.match(text, /into has a store already/, point)
      const store = await startOn(t, into)
      t.same(store.image().buckets, image.buckets, point)
      await store.stop()
      const names = readdirSync(directory)
      t.notOk(names.some(name => name.startsWith('import.')))
      const moved = files.filter(name => name.startsWith('shop'))
      if (isInPlace) t.same(readdirSync(join(directory, 'before-import')), moved)
      else t.same(names.filter(name => name !== 'into').sort(), files)
      rmSync(directory, { recursive: true })
    }
  }
  t.ok(killed > 4 && old > 0 && finished > 0, `${killed} killed, ${old} with old files, ${finished} ended`)
})
