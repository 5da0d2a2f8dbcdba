// Packs the package, installs the tarball into empty projects beside fastify with each package manager, by
// the lines of docs/install.md, and uses it there as its users do: as an ES module, from CommonJS, bundled,
// with Bun and Deno, and from TypeScript with every declaration file checked.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installTools, managers } from './package/managers.js'

/** How long one program may take. */
const LIMIT_MS = 120_000
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const [readme, index, installPage] = ['README.md', 'docs/README.md', 'docs/install.md']
  .map(path => readFileSync(join(root, path), 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'noex-package-'))
const began = Date.now()

/** Runs a program without the settings of the `npm run` that has started this one; returns what it prints. */
function run (command, args, { cwd, env = {} }) {
  const isOwn = ([name]) => !/^(npm_|NODE_OPTIONS|INIT_CWD)/i.test(name)
  return execFileSync(command, args, {
    cwd,
    env: { ...Object.fromEntries(Object.entries(process.env).filter(isOwn)), ...env },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    maxBuffer: 1e8
  })
}

/** Runs a step; prints its name and its time, and what its programs have printed when it fails. */
function step (name, use) {
  const start = Date.now()
  try {
    use()
  } catch (error) {
    console.error(`${name}: failed\n${error.stdout ?? ''}${error.stderr ?? ''}`)
    throw error
  }
  console.log(`${name}: works (${((Date.now() - start) / 1_000).toFixed(1)} s)`)
}

/**
 * Throws unless each feature that a program has printed works, or is refused with a text, where one is given.
 */
function expect (output, refused = {}) {
  const results = JSON.parse(output.trim().split('\n').at(-1))
  for (const [feature, result] of Object.entries(results)) {
    const isRight = refused[feature] === undefined ? result === 'works' : result.includes(refused[feature])
    if (!isRight) throw new Error(`${feature}: ${result}`)
  }
}

function makeProject (name, files) {
  const project = join(folder, name.replaceAll(/\W+/g, '-'))
  mkdirSync(project)
  // The programs of this check open sockets; those of a user need not have ws.
  const manifest = { name: 'consumer', private: true, dependencies: { ws: dependencies.ws } }
  writeFileSync(join(project, 'package.json'), JSON.stringify(manifest))
  for (const file of files) cpSync(join(root, 'scripts/consumer', file), join(project, file))
  return project
}

function installLine ({ name, line, comment = '' }, tarball) {
  const [, args] = new RegExp(`^${line}( fastify \\S+(?: --\\S+)*) *${comment}`, 'm').exec(installPage) ?? []
  if (args === undefined) throw new Error(`docs/install.md does not say how to install with ${name}`)
  return `${line}${args}`.split(' ').slice(1).map(part => part.replace('./fastify-noex-0.2.0.tgz', tarball))
}

let tarball
step('npm pack', () => {
  const output = run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root })
  const packed = Object.values(JSON.parse(output.slice(output.search(/^[[{]/m))))[0]
  tarball = join(folder, packed.filename)
  const names = packed.files.map(({ path }) => path)
  const licences = ['noex-journal', 'noex-rules', 'noex-store'].map(name => `dist/vendor/${name}/LICENSE`)
  for (const name of ['LICENSE', ...licences]) {
    if (!names.includes(name)) throw new Error(`${name} is not in the tarball`)
  }
  // The pages for users that README.md and docs/README.md link.
  const linked = index.replace(/\]\((?!https?:|\.\.\/)/g, '](docs/').replaceAll('](../', '](')
  const links = /\]\(((?:packages|deploy|docs|[A-Z]+\.md)[^)#]*)/g
  for (const [, target] of `${readme}${linked}`.matchAll(links)) {
    const isThere = names.some(name => name === target || name.startsWith(`${target}/`))
    if (!isThere) throw new Error(`README.md links ${target}, which is not in the tarball`)
  }
  const isStray = /(^|\/)(test|bench)\/|^example-app\/(?!public)|(^|\/)\.tsbuildinfo|\.map$|(?<!\.d)\.[cm]?ts$/
  const stray = names.find(name => isStray.test(name))
  if (stray !== undefined) throw new Error(`${stray} must not be in the tarball`)
})

try {
  const installedHere = name => join(root, 'node_modules/.bin', name)
  step('publint', () => { run(installedHere('publint'), ['--strict', tarball], { cwd: root }) })
  // Not as TypeScript resolved before `exports`: it has not done so by default since version 5, and 7 cannot.
  step('attw', () => { run(installedHere('attw'), ['--profile', 'node16', tarball], { cwd: root }) })

  let tools
  const toolFolder = join(folder, 'tools')
  mkdirSync(toolFolder)
  step('the tools', () => { tools = { npm: ['npm'], ...installTools(run, toolFolder) } })
  const useTool = (name, args, options) => run(tools[name][0], [...tools[name].slice(1), ...args], options)

  for (const manager of managers) {
    const files = [
      'use.mjs', 'commonjs.cjs', 'other-copy.mjs', 'typed.mts', 'typed.cts', 'describe.mjs',
      'demo.mjs', 'browser.mts'
    ]
    const project = makeProject(manager.name, files)
    const env = manager.env?.(project) ?? {}
    const node = args => manager.node === undefined
      ? run(process.execPath, args, { cwd: project, env })
      : useTool(manager.node, ['node', ...args], { cwd: project, env })
    step(manager.name, () => {
      useTool(manager.tool, [...installLine(manager, tarball), ...manager.flags ?? []], { cwd: project, env })
      expect(node(['use.mjs']))
    })
  }

  const project = join(folder, 'npm')
  step('CommonJS', () => { expect(run(process.execPath, ['commonjs.cjs'], { cwd: project })) })
  const installed = join('node_modules', 'fastify-noex')
  step('the command line', () => {
    const command = (...words) => run('npx', ['--no-install', 'fastify-noex', ...words], { cwd: project })
    command('audit', 'verify', 'audit.jsonl')
    command('import', 'data')
    for (const directory of ['data', 'durable']) command('verify', directory)
    command('backup', 'durable', 'durable.backup')
    command('restore', 'durable.backup', 'restored')
    command('compact', 'restored')
  })
  step('the order desk', () => { expect(run(process.execPath, ['demo.mjs'], { cwd: project })) })
  step('a store of another copy', () => {
    expect(run(process.execPath, ['other-copy.mjs', join(folder, 'Yarn-1', installed)], { cwd: project }))
  })
  step('run by Bun', () => { expect(useTool('bun', ['use.mjs'], { cwd: join(folder, 'Bun') })) })
  step('run by Deno', () => {
    const env = { DENO_DIR: join(folder, 'deno'), NO_COLOR: '1' }
    const flags = ['-A', '--no-lock', '--node-modules-dir=manual']
    expect(useTool('deno', ['run', ...flags, 'use.mjs'], { cwd: project, env }))
  })

  step('esbuild, for browsers', () => {
    for (const name of ['client', 'react', 'vue', 'svelte', 'solid', 'tanstack-db', 'tanstack-query']) {
      const entry = join(project, `entry-${name}.js`)
      writeFileSync(entry, `export * from 'fastify-noex/${name}'`)
      const peers = ['react', 'vue', 'solid-js'].map(peer => `--external:${peer}`)
      const flags = ['--bundle', '--platform=browser', '--format=esm', '--log-level=warning', ...peers]
      const output = useTool('esbuild', [entry, ...flags], { cwd: project })
      if (/\bnode:|\brequire\(|\bBuffer\b|\bprocess\./.test(output)) throw new Error(`${name} needs Node`)
    }
  })

  for (const format of ['esm', 'cjs']) {
    // fastify is CommonJS, and esbuild gives its modules no require() in an ES module.
    const requireFunction = 'import { createRequire } from "node:module"; ' +
      'const require = createRequire(import.meta.url);'
    const banner = format === 'esm' ? [`--banner:js=${requireFunction}`] : []
    const bundle = (name, ...flags) => {
      const file = join(folder, 'npm', `${name}.${format === 'esm' ? 'mjs' : 'cjs'}`)
      const output = [`--format=${format}`, `--outfile=${file}`, '--log-level=error', ...banner]
      useTool('esbuild', ['use.mjs', '--bundle', '--platform=node', ...output, ...flags], { cwd: project })
      return run(process.execPath, [file], { cwd: project })
    }
    const remedy = 'leave fastify-noex out of the bundle (esbuild --external:fastify-noex'
    step(`esbuild, ${format}`, () => {
      expect(bundle('whole'), { accounts: remedy, trail: remedy, durable: remedy })
    })
    step(`esbuild, ${format}, fastify-noex left out`, () => {
      expect(bundle('external', '--external:fastify-noex', '--external:fastify'))
    })
  }

  step('@types/node', () => {
    const types = `@types/node@${devDependencies['@types/node']}`
    run('npm', ['install', '--no-audit', '--no-fund', types], { cwd: project })
  })
  const settings = [
    ['typescript7', 'typed.mts typed.cts', '--module nodenext'],
    ['typescript7', 'typed.mts typed.cts', '--module node16'],
    ['typescript7', 'typed.mts', '--module esnext --moduleResolution bundler'],
    ['typescript7', 'typed.cts', '--module commonjs --moduleResolution bundler'],
    // It is slow, and reads the same declarations.
    ['typescript6', 'typed.mts typed.cts', '--module nodenext']
  ]
  const strict = '--noEmit --strict --exactOptionalPropertyTypes --skipLibCheck false --esModuleInterop ' +
    '--target es2022 --types node'
  for (const [compiler, files, flags] of settings) {
    step(`${compiler} ${flags}`, () => {
      useTool(compiler, `${files} ${strict} ${flags}`.split(' '), { cwd: project })
    })
  }
  step('the types of a server, and a client of it, for a browser', () => {
    expect(run(process.execPath, ['describe.mjs'], { cwd: project }))
    for (const module of ['--module esnext --moduleResolution bundler', '--module nodenext']) {
      const browser = '--noEmit --strict --skipLibCheck false --target es2022 --lib es2022,dom --types'
      useTool('typescript7', [...`browser.mts ${module} ${browser}`.split(' '), ''], { cwd: project })
    }
  })
  console.log(`the package works (${Math.round((Date.now() - began) / 1_000)} s)`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
