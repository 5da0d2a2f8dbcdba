import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'tap'
import { Store } from '../../src/index.js'
import { repetitions } from '../support/campaign.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const run = promisify(execFile)
const writer = fileURLToPath(new URL('../fixtures/counting-writer.js', import.meta.url))
/** Starts the writer without the hooks of the test runner, which reach each Node that a test starts. */
const program = ['env', '-u', 'NODE_OPTIONS', process.execPath, writer]

const has = async (program: string): Promise<boolean> =>
  await run(program, ['--version']).then(() => true, () => false)
const isMissing = async (program: string): Promise<false | string> =>
  process.env['CI'] === undefined && !await has(program) && `no ${program}`

/** The numbers in a store that starts on a directory. */
async function numbersIn (directory: string): Promise<number[]> {
  const store = await Store.start({ ttlCheckIntervalMs: 0, durability: { directory, onNotice () {} } })
  const records = store.hasBucket('numbers') ? await store.bucket('numbers').all() : []
  await store.stop()
  return records.map(({ n }) => Number(n))
}

const durableOf = (said: string): number[] =>
  said.split('\n').filter(line => /^\d/.test(line)).map(Number)

/** Calls, and how each of them fails: for once, or five times in a row. */
const faults = [
  ['pwrite64', 'error=EIO', 1], ['pwrite64', 'error=ENOSPC', 5], ['pwrite64', 'retval=0', 1],
  ['fdatasync', 'error=EIO', 1], ['fdatasync', 'error=EIO', 5], ['fsync', 'error=EIO', 1]
] as const

test('the Nth write or sync fails', { skip: await isMissing('strace') }, async t => {
  for (const [call, fault, times] of faults) {
    await t.test(`${call}, ${fault}, ${times} in a row`, async t => {
      const step = Math.ceil(40 / repetitions(40, 5))
      let refused = 0
      let last = 0
      for (let nth = 1 + Math.floor(Math.random() * step); last === 0; nth += step) {
        const folder = temporaryDirectory(t)
        const [directory, trace] = [join(folder, 'store'), join(folder, 'trace')]
        const inject = `inject=${call}:${fault}:when=${nth}${times > 1 ? `..${nth + times - 1}` : ''}`
        const args = ['-f', '-qq', '-o', trace, '-e', `trace=${call}`, '-e', inject, ...program]
        const { stdout, stderr } = await run('strace', [...args, directory, '6'], { timeout: 60_000 })
          .catch((error: { stdout: string, stderr: string }) => error)
        if (!readFileSync(trace, 'utf8').includes('INJECTED')) last = nth
        if (!stdout.includes('ready')) t.ok(stderr.includes(folder), `the ${nth}th: it says where`)
        refused += stdout.split('\n').filter(line => line.startsWith('-')).length
        t.same(await numbersIn(directory), durableOf(stdout), `the ${nth}th: what was acknowledged, no more`)
      }
      t.ok(last > 1, `${last} runs at most, ${refused} refused writes`)
    })
  }
})

test('a write that is taken in part', { skip: await isMissing('prlimit') }, async t => {
  const directory = join(temporaryDirectory(t), 'store')
  mkdirSync(directory)
  const shell = ['-c', 'trap "" XFSZ; exec "$@"', 'sh']
  const child = spawn('sh', [...shell, ...program, directory, '30'], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => { child.kill('SIGKILL') })
  const limit = async (size: string): Promise<void> => {
    await run('prlimit', ['--pid', String(child.pid), `--fsize=${size}:unlimited`])
  }
  let said = ''
  const steps = [/^ready/m, /^-/m]
  for await (const chunk of child.stdout) {
    said += String(chunk)
    if (steps[0]?.test(said) !== true) continue
    steps.shift()
    // A limit on the size of files cuts the write that crosses it, and refuses the next one.
    await limit(steps.length === 1 ? '4500' : 'unlimited')
  }
  if (child.exitCode === null) await once(child, 'exit')
  t.same([child.exitCode, child.signalCode], [0, null])
  t.equal(steps.length, 0, 'writes were refused')
  t.equal(durableOf(said).length, 30, 'and taken again, without a restart')
  t.same(await numbersIn(directory), durableOf(said), 'none is lost, none that was refused is there')
})
