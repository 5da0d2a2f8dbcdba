// Builds, then runs single test files: npm run test:one -- test/lib/options/options.test.ts [more files]
// [--watch] With --watch it goes on: each change is built, and the files that it concerns run again. Ends by
// Ctrl+C.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const tsc = ['node_modules/typescript-7/bin/tsc', '-b']
process.chdir(root)

const { values, positionals } = parseArgs({ options: { watch: { type: 'boolean' } }, allowPositionals: true })
if (positionals.length === 0) fail('name a test file, for example test/lib/options/options.test.ts')
const compiled = positionals.map(compiledFile)

if (await run(tsc) !== 0) process.exit(1)
if (values.watch === true) {
  await Promise.all([
    run([...tsc, '--watch', '--preserveWatchOutput']),
    ...compiled.map(file => run(['--watch', '--enable-source-maps', file]))
  ])
} else {
  process.exitCode = await run(['node_modules/tap/dist/esm/run.mjs', '--disable-coverage', ...compiled])
}

/** Returns the JavaScript that a test file in TypeScript becomes. */
function compiledFile (file) {
  const path = relative(root, file)
  if (!path.endsWith('.ts') || !existsSync(path)) fail(`${file} is no test file`)
  return path.replace(/\.ts$/, '.js').replace(/^(packages\/[^/]+\/)?test\//, '$1dist/test/')
}

/** Runs Node with these arguments; resolves with the exit code. */
async function run (args) {
  const child = spawn(process.execPath, args, { stdio: 'inherit' })
  return await new Promise(resolve => { child.on('exit', code => { resolve(code ?? 1) }) })
}

function fail (problem) {
  console.error(problem)
  process.exit(1)
}
