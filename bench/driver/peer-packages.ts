import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where the peers are installed: in the repository, beside their programs. */
const folder = fileURLToPath(new URL('../../../bench/peers', import.meta.url))

/**
 * Installs the packages of the peers in the versions of their lock file, without running scripts of theirs,
 * unless they are there.
 * @throws where they cannot be installed, with the remedy
 */
export function installPeers (): void {
  const { dependencies } = manifest(folder) as { dependencies: Record<string, string> }
  const isInstalled = Object.entries(dependencies).every(([name, version]) => {
    const installed = join(folder, 'node_modules', name)
    return existsSync(installed) && manifest(installed).version === version
  })
  if (isInstalled) return
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  try {
    execFileSync('npm', ['ci', ...options], { cwd: folder, stdio: 'inherit' })
  } catch (error) {
    throw new Error(`npm cannot install the peers into ${folder}: run it where the registry of npm can be ` +
      'reached', { cause: error })
  }
}

function manifest (directory: string): { readonly version?: string, readonly dependencies?: object } {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as ReturnType<typeof manifest>
}
