import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { sampled } from '../support/sampled.js'

const program = fileURLToPath(new URL('./main.js', import.meta.url))

/** Runs a simulation in a process of its own, and returns what it says. */
async function simulate (t: Test, env: Readonly<Record<string, string | number>>): Promise<string> {
  const texts = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, String(value)]))
  const options = { env: { ...process.env, ...texts, NODE_OPTIONS: '' }, maxBuffer: 2 ** 28 }
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [program], options)
    return stdout.split('\n', 1)[0] as string
  } catch (error) {
    const { stderr } = error as { stderr: string }
    t.fail(stderr.slice(0, 20_000))
    return ''
  }
}

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

t.test('all clients show what the plain evaluation gives', { timeout: 300_000 }, async t => {
  const env = { SEED: seed, OPERATIONS: sampled(12_000), CLIENTS: 25 }
  t.comment(await simulate(t, env))
  t.pass(`SEED=${seed}`)
})

t.test('a seed repeats a run exactly', { timeout: 300_000 }, async t => {
  const env = { SEED: seed + 1, OPERATIONS: sampled(2_000), CLIENTS: 10 }
  t.equal(await simulate(t, env), await simulate(t, env))
})
