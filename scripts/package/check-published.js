// Refuses a dist that would not work where it is installed.
import { existsSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join, posix } from 'node:path'
import { packageOf, specifiersOf } from './specifiers.js'
import { listFiles } from './vendor.js'

/**
 * Throws when a published file imports a file that is not published, or a package that the manifest does not
 * name, or names a source map; and when a licence or an entry is missing.
 */
export function checkPublished (root, { name: own, dependencies, peerDependencies, exports, bin }, vendored) {
  const dist = join(root, 'dist')
  const files = listFiles(dist)
  const published = new Set(files)
  const packages = new Set([own, ...Object.keys(dependencies), ...Object.keys(peerDependencies)])
  const problems = []
  for (const file of files.filter(name => /\.(c?js|d\.c?ts)$/.test(name))) {
    const text = readFileSync(join(dist, file), 'utf8')
    if (text.includes('\n//# sourceMappingURL')) problems.push(`${file} names a source map`)
    for (const specifier of specifiersOf(text)) {
      if (specifier.startsWith('.')) {
        const target = posix.join(posix.dirname(file), specifier)
        const found = /\.d\.c?ts$/.test(file) ? target.replace(/(c?)js$/, 'd.$1ts') : target
        if (!published.has(found)) problems.push(`${file} imports ${specifier}`)
      } else {
        const name = packageOf(specifier)
        const isKnown = name === undefined || packages.has(name) || builtinModules.includes(name)
        if (!isKnown) problems.push(`${file} imports ${specifier}`)
      }
    }
  }
  const conditions = value => typeof value === 'string' ? [value] : Object.values(value).flatMap(conditions)
  const licences = vendored.map(name => `dist/vendor/${posix.basename(name)}/LICENSE`)
  const needed = [...conditions(exports), ...Object.values(bin), ...licences, 'LICENSE']
  for (const file of needed) if (!existsSync(join(root, file))) problems.push(`${file} is missing`)
  if (problems.length > 0) throw new Error(`the package would not work:\n${problems.join('\n')}`)
}
