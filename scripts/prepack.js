// Writes what is published, before `npm pack` and `npm publish`: builds from nothing and makes the result
// self-contained. Development goes on with the same folder: the next build finds no .tsbuildinfo and writes
// its own form over this one.
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkPublished } from './package/check-published.js'
import { writeCommonJs } from './package/commonjs.js'
import { publishedFolders, vendor } from './package/vendor.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** The compiler's notes of what it has written. */
const buildInfos = ['dist/.tsbuildinfo', 'dist/.console.tsbuildinfo']

const remove = (...paths) => {
  for (const path of paths) rmSync(join(root, path), { recursive: true, force: true })
}

// The output of a source that is gone must not be published.
remove(...buildInfos, ...publishedFolders.map(folder => `dist/${folder}`))
for (const name of readdirSync(join(root, 'packages'))) {
  remove(`packages/${name}/dist/.tsbuildinfo`, `packages/${name}/dist/src`)
}
execFileSync('npm', ['run', 'build'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
// The program of the example has packages of its own; `fastify-noex demo` runs the rest.
remove(...buildInfos, ...['js', 'js.map', 'd.ts'].map(ending => `dist/example-app/server.${ending}`))
const vendored = vendor(root, manifest)
writeCommonJs(root, manifest)
checkPublished(root, manifest, vendored)
