// Before `npm start`: in a fresh clone, installs what the example needs to be built and run, and nothing of the tests.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const run = (...args) => { execFileSync('npm', args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' }) }

if (!existsSync(join(root, 'node_modules'))) {
  const workspaces = readdirSync(join(root, 'packages')).flatMap(name => ['--workspace', `packages/${name}`])
  run('ci', '--include-workspace-root', ...workspaces, '--ignore-scripts', '--no-audit', '--no-fund')
}
run('run', 'build')
