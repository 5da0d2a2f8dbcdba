import { readFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import t from 'tap'
import { projectFile } from '../../support/project-file.js'

/** Bounds of what is loaded at once, and of the code for tabs, minified and gzipped: never to go up. */
const MAX_BYTES = 9_216
const MAX_TAB_BYTES = 2_400

const folder = projectFile('dist/lib/client')
const { exports, peerDependencies } = JSON.parse(readFileSync(projectFile('package.json'), 'utf8')) as {
  exports: Record<string, { default: string }>, peerDependencies: object
}

interface Bundle {
  /** The text of what is loaded at once. */
  readonly text: string
  /** The texts of what is loaded when it is used, by the name of its module. */
  readonly lazy: ReadonlyMap<string, string>
  /** The paths of all that is taken in. */
  readonly inputs: readonly string[]
}

/** Bundles a module for browsers. */
async function bundle (contents: string): Promise<Bundle> {
  const { outputFiles, metafile, warnings } = await build({
    stdin: { contents, resolveDir: folder },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    external: Object.keys(peerDependencies),
    splitting: true,
    outdir: folder,
    write: false,
    metafile: true,
    logLevel: 'silent'
  })
  if (warnings.length > 0) throw new Error(warnings[0]?.text)
  const textOf = (path: string): string =>
    outputFiles.find(file => file.path === join(process.cwd(), path))?.text ?? ''
  const entryPath = Object.keys(metafile.outputs)
    .find(path => metafile.outputs[path]?.entryPoint === '<stdin>')
  const atOnce = new Set([entryPath ?? ''])
  for (const path of atOnce) {
    for (const { path: next, kind } of metafile.outputs[path]?.imports ?? []) {
      if (kind === 'import-statement' && metafile.outputs[next]) atOnce.add(next)
    }
  }
  const lazy = new Map(Object.entries(metafile.outputs).filter(([path]) => !atOnce.has(path))
    .map(([path, { entryPoint = path }]) => [basename(entryPoint), textOf(path)]))
  const inputs = Object.keys(metafile.inputs).filter(name => name !== '<stdin>')
  return { text: [...atOnce].map(textOf).join(''), lazy, inputs }
}

const packed = (text: string): number => gzipSync(text, { level: 9 }).length

t.test('a client is small, without any dependency', async t => {
  const { text, lazy, inputs } = await bundle('export { createClient } from "./index.js"')
  t.same(inputs.filter(input => !/^dist\/lib\/client\/[\w-]+\.js$/.test(input)), [])
  const bytes = packed(text)
  t.comment(`${bytes} bytes, of ${text.length} before gzip`)
  t.ok(bytes <= MAX_BYTES, `${bytes} bytes`)
  for (const [name, part] of lazy) t.comment(`${name}, when it is used: ${packed(part)} bytes`)
  const names = ['http-transport.js', 'login.js', 'optimistic.js', 'remedies.js', 'tab-transport.js']
  t.same([...lazy.keys()].sort(), names)
  t.ok(packed(lazy.get('tab-transport.js') ?? '') <= MAX_TAB_BYTES)
})

t.test('the entries for browsers take in nothing else of the package', async t => {
  const paths = Object.values(exports).map(entry => entry.default)
  const entries = paths.filter(path => path?.includes('/client/'))
  t.equal(entries.length, 7)
  for (const entry of entries) {
    const path = relative(folder, projectFile(entry))
    const { text, lazy, inputs } = await bundle(`export * from "./${path}"`)
    t.same(inputs.filter(input => !input.startsWith('dist/lib/client/')), [], basename(entry))
    t.notMatch([text, ...lazy.values()].join(''), /\bnode:|\brequire\(|\bBuffer\b|\bprocess\./)
  }
})
