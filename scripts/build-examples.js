// Builds the pages of examples/ into dist/examples: each is one file that a browser loads.
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { compile } from 'svelte/compiler'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const source = join(root, 'examples')

/** Compiles the components of Svelte. */
const svelte = {
  name: 'svelte',
  setup (builder) {
    builder.onLoad({ filter: /\.svelte$/ }, ({ path }) => {
      return { contents: compile(readFileSync(path, 'utf8'), { filename: path }).js.code, loader: 'js' }
    })
  }
}

const names = readdirSync(source, { withFileTypes: true }).filter(entry => entry.isDirectory())
for (const { name } of names) {
  const folder = join(root, 'dist/examples', name)
  mkdirSync(folder, { recursive: true })
  await build({
    entryPoints: [join(source, name, readdirSync(join(source, name)).find(file => file.startsWith('main.')))],
    outfile: join(folder, 'main.js'),
    bundle: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    conditions: ['browser', 'production'],
    define: {
      'process.env.NODE_ENV': '"production"',
      __VUE_OPTIONS_API__: 'false',
      __VUE_PROD_DEVTOOLS__: 'false',
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false'
    },
    alias: {
      // tap has a React of its own, which lies at the top.
      react: join(root, 'tools/node_modules/react'),
      'react-dom': join(root, 'tools/node_modules/react-dom'),
      // With the compiler of templates.
      vue: 'vue/dist/vue.esm-bundler.js'
    },
    plugins: [svelte],
    logLevel: 'warning'
  })
  copyFileSync(join(source, 'index.html'), join(folder, 'index.html'))
}
