import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { sampled } from '../support/sampled.js'

const program = fileURLToPath(new URL('./main.js', import.meta.url))

/** Runs a simulation in a process of its own, and returns what it says. */
async function simulate (t: Test, env: object): Promise<string> {
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

/** Whether the long form runs, as `npm run test:live` has it. */
const isCampaign = process.env['CAMPAIGN'] === '1'
/** Sizes that the caller has chosen. */
const chosen = Object.fromEntries(
  ['OPERATIONS', 'CLIENTS'].map(name => [name, process.env[name]]).filter(([, value]) => value !== undefined)
)

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

t.test('all clients show what the plain evaluation gives', { timeout: 14_400_000 }, async t => {
  const sample = { OPERATIONS: sampled(10_000), CLIENTS: 25 }
  const env = isCampaign ? { OPERATIONS: 100_000, CLIENTS: 50 } : sample
  const said = await simulate(t, { SEED: seed, ...env, ...chosen })
  t.comment(said)
  t.ok(said.includes('"marks"'), `SEED=${seed}`)
})

t.test('a seed repeats a run exactly', { timeout: 300_000 }, async t => {
  const env = { SEED: seed + 1, OPERATIONS: sampled(2_000), CLIENTS: 10 }
  t.equal(await simulate(t, env), await simulate(t, env))
})
