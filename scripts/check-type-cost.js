// Compiles a schema of 100 buckets with 30 fields, first alone, then with every bucket read, written,
// filtered, grouped and watched, then with every bucket used by a client. Prints its cost for the compiler,
// and fails when that is much more than it was. Type instantiations are counted, which are the same on every
// machine. The compiler is TypeScript 7, or 6 with the argument `typescript`.
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const compiler = process.argv[2] ?? 'typescript-7'
const folder = join(root, '.tap', 'type-cost')
const numbers = Array.from({ length: 100 }, (_, i) => i)

/** One of ten kinds of fields. */
function field (bucket, i) {
  switch (i % 10) {
    case 0: return `{ type: 'object', properties: { a: { type: 'string', required: true },
      b: { type: 'number' }, c: { type: 'object', properties: { d: { type: 'date' } } } } }`
    case 1: return `{ type: 'array',
      items: { type: 'object', properties: { sku: { type: 'string' } } } }`
    case 2: return `{ type: 'string', required: true, ref: 'bucket${(bucket + i) % 100}' }`
    case 3: return `{ type: 'string', enum: ['x${bucket}', 'y', 'z'], default: 'y' }`
    case 4: return '{ type: \'date\' }'
    case 5: return '{ type: \'boolean\', default: false }'
    case 6: return '{ type: \'string\', required: true }'
    default: return '{ type: \'number\', min: 0 }'
  }
}

const buckets = numbers.map(bucket => {
  const fields = numbers.slice(1, 30).map(i => `    f${i}: ${field(bucket, i)}`)
  return `bucket${bucket}: { key: 'id', indexes: ['f3', 'f7'], schema: {
    id: { type: 'string', generated: 'uuid' },\n${fields.join(',\n')}
  } }`
})
const schema = `import { defineSchema, Store } from '@hamicek/noex-store'
const schema = defineSchema({\n  ${buckets.join(',\n  ')}\n})
const store = await Store.start({ schema })
export const loose: Store = store\n`
const uses = numbers.map(i => `{
  const bucket = store.bucket('bucket${i}')
  await bucket.update('a', { f7: (await bucket.get('a'))?.f8 ?? null })
  await bucket.where({
    f3: 'y', 'f10.a': { $startsWith: 'x' }, $or: [{ f3: { $in: ['y'] } }, { f7: { $gte: 1 } }]
  })
  const groups = await bucket.groupBy('f3', { function: 'sum', field: 'f10.b' })
  console.log(groups.map(group => group.key.f3))
  await store.on('bucket.bucket${i}.updated', ({ newRecord }) => { console.log(newRecord.f3) })
}\n`)
const commits = `store.onCommit(({ changes }) => {
  for (const change of changes) {
    if (change.type === 'insert' && change.bucket === 'bucket5') console.log(change.after.f3)
  }
})\n`
const client = `import type { SchemaClient } from '../../lib/client/schema-client.js'
declare const client: SchemaClient<typeof schema>\n`
const requests = numbers.map(i => `{
  const record = await client.request('store.get', { bucket: 'bucket${i}', key: 'a' })
  await client.request('store.update', {
    bucket: 'bucket${i}', key: 'a', data: { f7: record?.f8 ?? null }, expectedVersion: record?._version
  })
  const live = client.query({ bucket: 'bucket${i}', filter: { $or: [{ f3: 'y' }, { f7: { $gte: 1 } }] } })
  console.log(live.getSnapshot()?.[0]?.f3)
  await client.optimistic(tx => { tx.bucket('bucket${i}').update('a', { f3: 'y' }) })
  await client.request('store.transaction', {
    operations: [{ op: 'update', bucket: 'bucket${i}', key: 'a', data: { f7: 1 } }]
  })
}\n`)
const definition = schema.slice(0, schema.indexOf('const store'))

const programs = [
  {
    name: 'defined',
    text: definition + 'export { schema, Store }\n',
    most: 150_000
  },
  { name: 'used', text: schema + uses.join('') + commits, most: 1_500_000 },
  {
    name: 'used by a client',
    text: definition + client + requests.join('') + 'export { Store }\n',
    most: 2_000_000
  }
]
mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
try {
  for (const { name, text, most } of programs) {
    const file = join(folder, `${name.replaceAll(' ', '-')}.ts`)
    writeFileSync(file, text)
    const flags = '--noEmit --strict --exactOptionalPropertyTypes --skipLibCheck --target es2023 ' +
      '--module nodenext --types node --ignoreConfig --extendedDiagnostics'
    const tsc = join(root, 'node_modules', compiler, 'bin/tsc')
    const args = [tsc, ...flags.split(' '), file]
    const output = execFileSync(process.execPath, args, { encoding: 'utf8', cwd: folder })
    const figure = label => new RegExp(`^${label}:\\s+(\\S+)`, 'm').exec(output)?.[1]
    const count = Number(figure('Instantiations'))
    const time = figure('Check time')
    console.log(`a schema of 100 x 30 fields, ${name}: ${count} instantiations, checked in ${time}`)
    if (!(count <= most)) throw new Error(`more than ${most} instantiations`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
