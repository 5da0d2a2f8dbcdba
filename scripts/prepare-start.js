// Before `npm start`: in a fresh clone, installs what the example needs to be built and run, and nothing of
// the tests.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const run = (program, ...args) => { execFileSync(program, args, { cwd: root, stdio: 'inherit' }) }

if (!existsSync(join(root, 'node_modules'))) {
  const workspaces = readdirSync(join(root, 'packages')).flatMap(name => ['--workspace', `packages/${name}`])
  run('npm', 'ci', '--include-workspace-root', ...workspaces, '--ignore-scripts', '--no-audit', '--no-fund')
}
// Types are checked by every other build.
run(process.execPath, 'node_modules/typescript-7/bin/tsc', '-b', 'tsconfig.build.json', '--noCheck')
