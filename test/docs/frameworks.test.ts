import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { compile as compileSvelte } from 'svelte/compiler'
import t, { type Test } from 'tap'
import { compileScript, compileTemplate, parse } from 'vue/compiler-sfc'
import { programEnv } from '../support/command-line.js'
import { readDocument, sample, tableBelow } from '../support/documents.js'
import { projectFile } from '../support/project-file.js'

const document = 'docs/frameworks.md'

const schema = `
  import { defineSchema } from 'fastify-noex/store'
  export const schema = defineSchema({ orders: { key: 'id', schema: {
    id: { type: 'string', required: true },
    item: { type: 'string', required: true },
    customer: { type: 'string', required: true },
    status: { type: 'string', required: true, enum: ['open', 'closed'] as const }
  } } })`

/** The script of a component. */
const scriptOf = (code: string): string => /<script[^>]*>([^]*?)<\/script>/.exec(code)?.[1] ?? ''

/** The files of the samples, by name. */
const files: Record<string, string> = {
  'schema.ts': schema,
  'api.ts': sample(document, 'api'),
  'react.tsx': sample(document, 'react'),
  'react-params.tsx': sample(document, 'react-params'),
  'mutations.tsx': sample(document, 'mutations'),
  'vue.ts': `import { defineProps } from 'vue'\n${scriptOf(sample(document, 'vue'))}`,
  'svelte.ts': `/// <reference types="svelte" />\n${scriptOf(sample(document, 'svelte'))}`,
  'solid.ts': sample(document, 'solid'),
  'tanstack-query.tsx': sample(document, 'tanstack-query'),
  'tanstack-db.ts': sample(document, 'tanstack-db'),
  'app.tsx': sample(document, 'ssr-app'),
  'page.tsx': sample(document, 'ssr-server'),
  'browser.tsx': sample(document, 'ssr-browser')
}

let folders = 0

/** Compiles modules in a folder of this package; resolves with the errors. */
async function compile (t: Test, modules: Record<string, string>): Promise<string[]> {
  const folder = projectFile(`.tap/samples/frameworks-${process.pid}-${++folders}`)
  mkdirSync(folder, { recursive: true })
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  for (const [name, code] of Object.entries(modules)) writeFileSync(join(folder, name), code)
  const config = {
    extends: projectFile('examples/tsconfig.json'),
    compilerOptions: { composite: false, noEmit: true, emitDeclarationOnly: false, noUnusedLocals: false },
    include: ['.'],
    references: []
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const tsc = projectFile('node_modules/typescript-7/bin/tsc')
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], {
    env: programEnv
  }).catch((error: { stdout: string }) => error)
  return stdout.split('\n').filter(line => line.includes('error TS'))
}

t.test('its samples are right for the compiler, with the types of the schema', async t => {
  t.same(await compile(t, files), [])
  const wrong = `
    import { useMutation, useQuery } from 'fastify-noex/react'
    import { queryOptions } from 'fastify-noex/tanstack-query'
    import { api, client } from './api.js'
    export function Wrong () {
      const { data, status } = useQuery(api.openOrders)
      const price = data?.map(order => order.price)
      const rows: readonly object[] = data
      const [close] = useMutation(client, (tx, id: string) => {
        tx.bucket('orders').update(id, { status: 'gone' })
      })
      close(5)
      const [open] = useMutation(client, (tx) => { tx.bucket('others') })
      const none = useQuery(undefined as typeof api.openOrders | undefined)
      if (none.status === 'live') none.data.push()
      queryOptions(api.openOrders).queryFn.length.x
      return [status, price, rows, open]
    }`
  const errors = await compile(t, { ...files, 'wrong.ts': wrong })
  t.ok(errors.every(error => error.includes('wrong.ts')))
  t.same(errors.map(error => Number(/wrong.ts\((\d+),/.exec(error)?.[1])).sort((a, b) => a - b), [7, 8, 10, 12, 13, 15, 16])
})

t.test('its components are right for the compilers of Vue and Svelte', async t => {
  const source = sample(document, 'vue')
  const { descriptor, errors } = parse(source, { filename: 'orders.vue' })
  t.same(errors, [])
  const { content } = compileScript(descriptor, { id: 'orders' })
  t.match(content, /useQuery\(\(\) =>/)
  const template = compileTemplate({
    source: descriptor.template!.content, filename: 'orders.vue', id: 'orders'
  })
  t.same(template.errors, [])
  const { warnings } = compileSvelte(sample(document, 'svelte'), { runes: true, filename: 'orders.svelte' })
  t.same(warnings, [])
})

t.test('its table has each adapter with what it exports', async t => {
  interface Manifest { exports: Record<string, { default: string }> }
  const { exports } = JSON.parse(readDocument('package.json')) as Manifest
  const table = tableBelow(readDocument(document), '| import |')
  const adapters = Object.entries(exports).filter(([, { default: file }]) => file?.includes('/adapters/'))
  t.equal(adapters.length, 6)
  for (const [path, { default: file }] of adapters) {
    const declared = readFileSync(projectFile(file.replace('.js', '.d.ts')), 'utf8')
    const row = table.split('\n').find(line => line.includes(`\`fastify-noex${path.slice(1)}\``)) ?? ''
    t.ok(row, path)
    for (const [, name = ''] of declared.matchAll(/^export declare function (\w+)/gm)) {
      t.ok(row.includes(`\`${name}\``) || row.includes('the same'), `${path}: ${name}`)
    }
  }
})
