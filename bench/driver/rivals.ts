import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The packages that are compared with, none of them a dependency; each brings its own binaries. */
const packages = [`node-linux-${process.arch}@24`, 'better-sqlite3@13', 'redis@6']

/** Where the rivals are. */
export interface Rivals {
  /** The folder whose `node_modules` has them. */
  readonly folder: string
  /** The program Node 24: better-sqlite3 13 does not run under Node 20. */
  readonly node: string
}

/**
 * Installs the rivals into a folder beside other temporary ones, where they stay for the next run.
 * @throws where one is missing, with the remedy
 */
export function installRivals (): Rivals {
  if (process.platform !== 'linux') throw new Error('transfer reads /proc of databases: run it on Linux')
  requireProgram('redis-server', 'apt-get install redis-server')
  const folder = join(tmpdir(), 'noex-bench-rivals')
  const node = join(folder, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node')
  mkdirSync(folder, { recursive: true })
  const installed = (name: string): boolean => existsSync(join(folder, 'node_modules', name, 'package.json'))
  if (!packages.every(spec => installed(spec.slice(0, spec.lastIndexOf('@'))))) {
    // Without scripts: nothing is compiled or fetched from elsewhere.
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    try {
      execFileSync('npm', ['install', '--prefix', folder, ...options, ...packages], { stdio: 'inherit' })
    } catch (error) {
      throw new Error(`npm cannot install ${packages.join(', ')} into ${folder}: run it where the registry ` +
        'of npm can be reached', { cause: error })
    }
  }
  return { folder, node }
}

function requireProgram (name: string, remedy: string): void {
  const folders = (process.env['PATH'] ?? '').split(':')
  if (folders.some(folder => existsSync(join(folder, name)))) return
  throw new Error(`${name} is not installed, and transfer compares with it: ${remedy}`)
}
