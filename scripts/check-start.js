// Clones the repository, gives the first command of the README's quick start, and prints after how many
// seconds the example answers. The cache of npm is empty, as on a machine that has never seen the project.
// Arguments: the commit, HEAD by default.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const LIMIT_MS = 600_000
const commit = process.argv[2] ?? 'HEAD'
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const folder = mkdtempSync(join(tmpdir(), 'noex-start-'))
const clone = join(folder, 'clone')
const git = (...args) => execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })

git('clone', '--quiet', '--no-checkout', root, clone)
git('-C', clone, 'checkout', '--quiet', git('-C', root, 'rev-parse', commit).trim())
const [, command] = /^```bash\n(.*?) *#/m.exec(readFileSync(join(clone, 'README.md'), 'utf8'))
const port = await freePort()
const url = `http://127.0.0.1:${port}/healthz`
const env = {
  ...process.env,
  PORT: String(port),
  HOST: '127.0.0.1',
  DATA_DIR: join(folder, 'data'),
  npm_config_cache: join(folder, 'cache')
}
// npm run hands its own settings on to what it starts.
for (const name of Object.keys(env)) if (/^npm_(?!config_(cache|registry)$)/i.test(name)) delete env[name]

const began = Date.now()
const stdio = ['ignore', 'ignore', 'inherit']
const child = spawn('sh', ['-c', command], { cwd: clone, env, detached: true, stdio })
const exited = once(child, 'exit')
try {
  while (!(await isLive())) {
    if (child.exitCode !== null) throw new Error(`${command} has ended with ${child.exitCode}`)
    if (Date.now() - began > LIMIT_MS) throw new Error(`${command} does not answer at ${url}`)
    await sleep(50)
  }
  const tools = existsSync(join(clone, 'node_modules/tap')) ? 'with' : 'without'
  const seconds = ((Date.now() - began) / 1_000).toFixed(1)
  console.log(`${commit}: ${command}: live after ${seconds} s, ${tools} the test tools`)
  if (commit === 'HEAD' && tools === 'with') throw new Error(`${command} installs the test tools`)
} finally {
  if (child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
  await exited
  rmSync(folder, { recursive: true, force: true })
}

async function isLive () {
  return await fetch(url).then(({ status }) => status === 200, () => false)
}

async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}
