import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { resolveOptions } from '../../lib/options/options.js'
import { readDocument, runBody, sample, tableBelow } from '../support/documents.js'
import { projectFile } from '../support/project-file.js'
import { Shell } from '../support/shell.js'
import { startStore } from '../support/service.js'

const run = promisify(execFile)
const document = 'docs/capacity.md'

/** Returns the lines of a report that have a figure: name, unit and figure. */
function figuresIn (report: string): ReadonlyMap<string, number> {
  const lines = report.matchAll(/^(a.+?) {2,}(B|KB|µs) (\w+) +(-?[\d.]+)/gm)
  return new Map([...lines].map(([, name = '', unit = '', kind = '', figure]) =>
    [`${name} ${unit} ${kind}`, Number(figure)]))
}

const figures = figuresIn(sample(document, 'figures'))

/** Returns the rows of a table that is reckoned from the figures. */
function rowsOf (name: string): Array<readonly [part: string, count: number, result: number]> {
  const text = readDocument(document)
  const table = tableBelow(text.slice(text.indexOf(`<!-- reckoned: ${name} -->`)), '|---')
  return [...table.matchAll(/^\| ([^|-][^|]*) \| ([\d,]*) ?\| ([\d.]+) \|$/gm)]
    .map(([, part = '', count = '', result]) => [part, Number(count.replaceAll(',', '')), Number(result)])
}

t.test('its figures are the lines that npm run bench -- capacity prints', { timeout: 300_000 }, async t => {
  const bench = projectFile('dist/bench/run.js')
  const { stdout } = await run(process.execPath, ['--expose-gc', bench, 'capacity', '--quick'])
  t.same([...figures.keys()], [...figuresIn(stdout).keys()])
  t.ok(figures.size > 10)
})

for (const [name, unit, divisor, digits] of [
  ['memory', /(?:B|KB) heap$/, 1_000_000, 0], ['time', /µs CPU$/, 1_000_000, 2]
] as const) {
  t.test(`its sum of ${name} is what the figures make`, async t => {
    const rows = rowsOf(name)
    const sum = rows.pop()
    t.equal(sum?.[0], 'together')
    let exact = 0
    for (const [part, count, result] of rows) {
      const [key = '', figure = NaN] = [...figures].find(([line]) =>
        line.startsWith(`${part} `) && unit.test(line) && !line.startsWith(`${part},`)) ?? []
      const total = count * figure * (key.includes(' KB ') ? 1_000 : 1) / divisor
      exact += total
      t.equal(total.toFixed(digits), result.toFixed(digits), part)
    }
    t.ok(rows.length > 1)
    t.equal(exact.toFixed(digits), sum?.[2].toFixed(digits), 'together')
  })
}

t.test('its command gives the heap its limit', async t => {
  const shell = new Shell(t)
  const program = 'process.stdout.write(String(require("node:v8").getHeapStatistics().heap_size_limit))'
  writeFileSync(join(shell.folder, 'server.js'), program)
  const { stdout } = await shell.run(sample(document, 'heap'))
  const limitMb = Number(/--max-old-space-size=(\d+)/.exec(sample(document, 'heap'))?.[1])
  t.ok(Number(stdout) >= limitMb * 1_048_576, stdout)
  const together = rowsOf('memory').at(-1)?.[2] ?? NaN
  t.ok(limitMb >= 2 * together, 'as much again is free')
})

t.test('its sample measures the records of a store', async t => {
  const store = await startStore(t)
  const id = { type: 'number', generated: 'autoincrement' } as const
  await store.defineBucket('orders', { key: 'id', schema: { id } })
  const logged: object[] = []
  const app = { log: { info: (fields: object) => { logged.push(fields) } } }
  await runBody(sample(document, 'own'), { store, app, orders: Array.from({ length: 500 }, () => ({})) })
  t.match(logged, [{ bytesEach: Number, records: 500, jsonEach: Number }])
  t.ok((logged[0] as { jsonEach: number }).jsonEach > 50, 'the bytes are there')
})

t.test('the options that bound it exist', async t => {
  const table = tableBelow(readDocument(document), '| what grows |')
  const rows = [...table.matchAll(/^\| [^|]+ \| ([^|]+) \|$/gm)].slice(2)
  const names = rows.flatMap(([, cell = '']) => [...cell.matchAll(/`([\w.]+)`/g)]).map(([, name = '']) => name)
  t.ok(names.length > 8)
  const resolved = resolveOptions({ store: await startStore(t), rateLimit: { maxRequests: 1, windowMs: 1 } })
  for (const name of names) {
    const value = name.split('.').reduce<unknown>((group, member) =>
      (group as Record<string, unknown> | undefined)?.[member], resolved)
    t.not(value, undefined, name)
  }
})
