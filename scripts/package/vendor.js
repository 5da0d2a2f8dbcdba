// Makes dist self-contained: the packages of the noex scope, which registries do not have, become folders of
// dist/vendor, and what imports them by name imports those files.
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, posix, relative, sep } from 'node:path'
import { packageOf, rewriteSpecifiers } from './specifiers.js'

const SCOPE = '@hamicek/'
/** Folders of dist that are published. */
export const publishedFolders = ['lib', 'routes', 'example-app', 'vendor']

/**
 * Copies each package of the scope that `dist` imports, and those which these import, to dist/vendor with its
 * licence, and rewrites the specifiers; returns the names. Source maps are left out: their sources are not
 * published. Throws when a copied package has a dependency that the manifest does not have with the same
 * range.
 */
export function vendor (root, { dependencies }) {
  const dist = join(root, 'dist')
  const vendored = new Set()
  let files = listFiles(dist, publishedFolders.filter(folder => folder !== 'vendor'))
  while (files.length > 0) {
    const missing = new Set(files.flatMap(file => rewrite(root, file)).filter(name => !vendored.has(name)))
    files = [...missing].flatMap(name => copyPackage(root, name, dependencies))
    for (const name of missing) vendored.add(name)
  }
  return [...vendored]
}

/** Returns the files below some folders of dist, as paths with slashes. */
export function listFiles (dist, folders = publishedFolders) {
  return folders.flatMap(folder => readdirSync(join(dist, folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => relative(dist, join(entry.parentPath, entry.name)).split(sep).join('/')))
}

/**
 * Rewrites one file, or removes it when it is a source map. Returns the packages of the scope that it
 * imports.
 */
function rewrite (root, file) {
  const path = join(root, 'dist', file)
  if (file.endsWith('.map')) {
    rmSync(path)
    return []
  }
  if (!/\.(js|d\.ts)$/.test(file)) return []
  const names = []
  const code = readFileSync(path, 'utf8').replace(/^\/\/# sourceMappingURL=.*\n?/gm, '')
  const text = rewriteSpecifiers(code, specifier => {
    const name = packageOf(specifier)
    if (name?.startsWith(SCOPE) !== true) return specifier
    names.push(name)
    return relativeSpecifier(posix.dirname(file), `${folderOf(name)}/${fileOf(root, specifier, name)}`)
  })
  writeFileSync(path, text)
  return names
}

/** The file, below the folder of its package, that a specifier means by the package's exports. */
function fileOf (root, specifier, name) {
  const { exports } = JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8'))
  const target = ({ default: main, import: esm = main } = {}) => esm
  const file = target(exports[`.${specifier.slice(name.length)}`])
  if (file === undefined) throw new Error(`${name} does not export ${specifier}`)
  return posix.relative(posix.dirname(target(exports['.'])), file)
}

/** Copies one package; returns the files that are code. */
function copyPackage (root, name, dependencies) {
  const source = join(root, 'node_modules', name)
  const manifest = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'))
  for (const [dependency, range] of Object.entries(manifest.dependencies ?? {})) {
    if (dependency.startsWith(SCOPE) || dependencies[dependency] === range) continue
    throw new Error(
      `package.json must have the dependency "${dependency}": "${range}", because ${name} has it`
    )
  }
  const { types, default: main, import: esm = main } = manifest.exports['.']
  const hasIndex = /\/index\.js$/.test(esm) && dirname(types) === dirname(esm)
  if (!hasIndex) throw new Error(`${name} has no index.js with its types beside it`)
  const target = folderOf(name)
  const code = readdirSync(join(source, dirname(esm)), { recursive: true })
    .map(file => file.split(sep).join('/'))
    .filter(file => /\.(js|d\.ts)$/.test(file))
  for (const file of code) copy(join(source, dirname(esm), file), join(root, 'dist', target, file))
  copy(join(source, 'LICENSE'), join(root, 'dist', target, 'LICENSE'))
  return code.map(file => `${target}/${file}`)
}

function copy (from, to) {
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(from, to)
}

function folderOf (name) {
  return `vendor/${name.slice(SCOPE.length)}`
}

function relativeSpecifier (from, to) {
  const path = posix.relative(from, to)
  return path.startsWith('.') ? path : `./${path}`
}
