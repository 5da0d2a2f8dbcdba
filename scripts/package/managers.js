// The package managers and other tools that the package is tried with, each of one known version, none of
// them with an install script: Bun and Deno are packages that hold nothing but the program.
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const platform = `${process.platform}-${process.arch === 'arm64' ? 'aarch64' : process.arch}`
const bun = `@oven/bun-${platform}`
const deno = `@deno/${process.platform}-${process.arch}${process.platform === 'linux' ? '-glibc' : ''}`

const packages = {
  yarn1: 'npm:yarn@1.22.22',
  yarn4: 'npm:@yarnpkg/cli-dist@4.18.1',
  pnpm: '10.34.9',
  [bun]: '1.4.5',
  [deno]: '2.9.6',
  esbuild: '0.28.2',
  typescript6: 'npm:typescript@6.0.3',
  typescript7: 'npm:typescript@7.0.2'
}

/** Installs the tools in a folder; returns the command of each. */
export function installTools (run, folder) {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies: packages }))
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder })
  const at = (...path) => join(folder, 'node_modules', ...path)
  for (const program of [at(bun, 'bin/bun'), at(deno, 'deno')]) chmodSync(program, 0o755)
  return {
    yarn1: [process.execPath, at('yarn1/bin/yarn.js')],
    yarn4: [process.execPath, at('yarn4/bin/yarn.js')],
    pnpm: [process.execPath, at('pnpm/bin/pnpm.cjs')],
    bun: [at(bun, 'bin/bun')],
    deno: [at(deno, 'deno')],
    esbuild: [at('@esbuild', `${process.platform}-${process.arch}`, 'bin/esbuild')],
    typescript6: [process.execPath, at('typescript6/bin/tsc')],
    typescript7: [process.execPath, at('typescript7/bin/tsc')]
  }
}

/**
 * How each manager installs the tarball: `line` is how the install line for it in docs/install.md begins and
 * `comment` what stands behind it, `tool` its command, `node` what runs a program in the project: with Yarn's
 * Plug'n'Play, ES modules only, since Node does not ask Yarn where a file is when require() loads one. Caches
 * are beside the projects: a tarball of this name may be in the user's.
 */
export const managers = [
  { name: 'npm', line: 'npm install', tool: 'npm' },
  {
    name: 'pnpm',
    line: 'pnpm add',
    tool: 'pnpm',
    env: folder => ({ npm_config_store_dir: join(folder, '.store') })
  },
  {
    name: 'Yarn 1',
    line: 'yarn add',
    comment: '# Yarn 1',
    tool: 'yarn1',
    flags: ['--non-interactive'],
    env: folder => ({ YARN_CACHE_FOLDER: join(folder, '.cache') })
  },
  {
    name: 'Yarn 4',
    line: 'yarn add',
    comment: '# Yarn 4',
    tool: 'yarn4',
    env: folder => yarn4(folder, 'node-modules')
  },
  {
    name: 'Yarn 4, Plug\'n\'Play',
    line: 'yarn add',
    comment: '# Yarn 4',
    tool: 'yarn4',
    env: folder => yarn4(folder, 'pnp'),
    node: 'yarn4'
  },
  {
    name: 'Bun',
    line: 'bun add',
    tool: 'bun',
    env: folder => ({ BUN_INSTALL_CACHE_DIR: join(folder, '.cache') })
  }
]

function yarn4 (folder, linker) {
  return {
    YARN_NODE_LINKER: linker,
    YARN_GLOBAL_FOLDER: join(folder, '../.yarn-global'),
    YARN_ENABLE_TELEMETRY: '0',
    YARN_ENABLE_IMMUTABLE_INSTALLS: 'false'
  }
}
