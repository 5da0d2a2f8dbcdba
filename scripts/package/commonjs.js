// The faces for CommonJS and its TypeScript: require() returns the plugin itself with all other exports as
// its properties, as Fastify's own plugins do, and TypeScript finds declarations that it takes for CommonJS.
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'

// Node 20.19 and newer load an ES module by require(); the setting `module: node16` of TypeScript does not
// know that.
const ignored = '// @ts-ignore: of an ES module'

/** Writes index.cjs and index.d.cts, and the same for each of the sub-paths, beside the ES modules. */
export function writeCommonJs (root, { exports }) {
  const faces = Object.entries(exports).filter(([, { require }]) => require !== undefined)
  for (const [path, { require, types, default: esm }] of faces) {
    const name = basename(esm, '.js')
    const isPlugin = path === '.'
    const code = isPlugin
      ? `const all = require('./${name}.js')\nmodule.exports = Object.assign(all.noexPlugin, all)\n`
      : `module.exports = require('./${name}.js')\n`
    writeFileSync(join(root, require.default), `'use strict'\n${code}`)
    const declaration = join(root, types)
    writeFileSync(join(root, require.types), isPlugin
      ? pluginTypes(declaration, readFileSync(declaration, 'utf8'))
      : `${ignored}\nimport all = require('./${name}.js')\nexport = all\n`)
  }
}

/**
 * Returns the declaration of the plugin as a function that has all exports, types too, as a namespace. Throws
 * when the declaration of the ES module has anything but names that it takes from other files.
 */
function pluginTypes (file, declaration) {
  const lists = []
  const rest = declaration.replace(/^export (?:type )?\{([^}]*)\} from '[^']+';$/gm, (_statement, list) => {
    lists.push(list)
    return ''
  })
  if (rest.trim() !== '') throw new Error(`${file} may only export names of other files: ${rest.trim()}`)
  const names = lists.flatMap(list => list.split(','))
    .map(text => text.trim().replace(/^type /, '').replace(/^.* as /, ''))
    .filter(name => name !== '')
  const others = names.filter(name => name !== 'default' && name !== 'noexPlugin').join(', ')
  return [
    ignored,
    `import { noexPlugin as plugin, ${others} } from './${basename(file, '.d.ts')}.js'`,
    'declare function noexPlugin (...options: Parameters<typeof plugin>): ReturnType<typeof plugin>',
    'declare namespace noexPlugin {',
    `  export { plugin as default, plugin as noexPlugin, ${others} }`,
    '}',
    'export = noexPlugin\n'
  ].join('\n')
}
