import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Six lines have at least so many tokens, unless nearly all are braces; those of 40 are long lines already.
 */
const MIN_TOKENS = 30
const MIN_LINES = 6

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const bin = name => join(root, 'node_modules/.bin', name)

/** Returns the exports that nothing imports, as `path:line: name`. */
export function deadExports (directory) {
  const { stdout, stderr } = spawnSync(bin('knip'), [
    '--directory', directory, '--config', join(root, 'knip.config.js'), '--include', 'exports,types',
    '--reporter', 'json', '--no-progress', '--no-config-hints'
  ], { encoding: 'utf8', maxBuffer: 1e8 })
  if (!stdout.startsWith('{')) throw new Error(`knip has failed: ${stdout}${stderr}`)
  const { issues } = JSON.parse(stdout)
  const list = kind =>
    issues.flatMap(({ file, [kind]: found }) => found.map(({ name, line }) => `${file}:${line}: ${name}`))
  return { values: list('exports').sort(), types: list('types').sort() }
}

/** Returns the pairs of places outside tests that repeat six lines or more. */
export function repeatedPlaces (directory) {
  const output = mkdtempSync(join(tmpdir(), 'noex-measure-'))
  try {
    execFileSync(bin('jscpd'), [
      'lib', 'routes', 'packages', '--format', 'typescript', '--silent',
      '--ignore', '**/test/**,**/node_modules/**,**/dist/**',
      '--min-lines', MIN_LINES, '--min-tokens', MIN_TOKENS, '--reporters', 'json', '--output', output
    ].map(String), { cwd: directory, stdio: 'ignore' })
    const { duplicates } = JSON.parse(readFileSync(join(output, 'jscpd-report.json'), 'utf8'))
    const place = ({ name, start, end }) => `${name}:${start}-${end}`
    return duplicates.map(({ firstFile, secondFile }) => `${place(firstFile)} = ${place(secondFile)}`).sort()
  } finally {
    rmSync(output, { recursive: true, force: true })
  }
}
