import t from 'tap'
import { builtInOptions, externalOptions, gatewayAuthOptions } from '../../lib/auth/auth-options.js'
import { auditOptions } from '../../lib/audit/audit-options.js'
import { jsonlOptions } from '../../lib/audit/file/jsonl-sink.js'
import { postgresOptions } from '../../lib/audit/postgres/postgres-sink.js'
import { resolveOptions } from '../../lib/options/options.js'
import { startStore } from '../support/service.js'
import { readDocument, tableBelow } from '../support/documents.js'

const document = readDocument('docs/options.md')

t.test('its table of options of the store has each one, with the default of its type', async t => {
  const types = readDocument('packages/noex-store/src/types/store.ts')
  const options = /export interface StoreOptions \{([^]*?)\n\}/.exec(types)?.[1] ?? ''
  const rows = tableBelow(document, '| option of `Store.start` |')
  const names = [...options.matchAll(/^ {2}readonly (\w+)\?:/gm)].map(([, name]) => name as string)
  t.ok(names.length > 8, 'there are options')
  for (const name of names) {
    t.ok(rows.includes(`\`${name}\``), name)
    const value = new RegExp(`@default (\\d+)\n {3}\\*/\n  readonly ${name}\\?:`).exec(options)?.[1]
    const shown = Number(value).toLocaleString('en').replaceAll(',', '_')
    if (value !== undefined) t.match(rows, `| \`${name}\` | \`${shown}\` |`)
  }
})

t.test('its tables of options have every option with its default', async t => {
  // Of two rows that have a name, the first counts.
  const found = [...document.matchAll(/^\| `([\w.]+)` \| (.+?) \|/gm)].reverse()
  const rows = new Map(found.map(([, name, value]) => [name as string, value as string]))
  const check = (name: string, shown: string | undefined, value: unknown): void => {
    if (shown === undefined) t.fail(`docs/options.md does not name ${name}`)
    else t.same(shown in words ? words[shown] : parse(shown), value, name)
  }
  const resolved = resolveOptions({ store: await startStore(t) })
  for (const [name, value] of leaves(resolved)) {
    if (name === 'store') t.equal(rows.get(name), 'required')
    else check(name, rows.get(name), value)
  }
  for (const { defaults } of [externalOptions, gatewayAuthOptions, builtInOptions]) {
    for (const [name, value] of leaves(defaults)) check(name, rows.get(name), value)
  }
  const groups = { audit: auditOptions, jsonlSink: jsonlOptions, postgresSink: postgresOptions }
  for (const [group, { defaults }] of Object.entries(groups)) {
    const table = tableBelow(document, `| option of \`${group}\` |`)
    for (const [name, value] of Object.entries(defaults)) {
      check(`${group}.${name}`, new RegExp(`^\\| \`${name}\` \\| (.+?) \\|`, 'm').exec(table)?.[1], value)
    }
  }
  for (const name of ['validate', 'gateway.userHeader', 'gateway.trustedProxies', 'adminSecret']) {
    t.equal(rows.get(name), 'required')
  }
})

/** Defaults that a table tells in words. */
const words: Readonly<Record<string, unknown>> = {
  unlimited: Infinity,
  'every origin': undefined,
  none: undefined,
  '`request.ip`': undefined,
  'the host\'s name': undefined
}

/** Returns a default as a table writes it. */
function parse (shown: string): unknown {
  return JSON.parse(shown.replaceAll('`', '').replace(/^'(.*)'$/, '"$1"').replace(/(?<=\d)_(?=\d)/g, ''))
}

/** Returns the options below an object of options, by path; an object of helmet is one option. */
function leaves (value: object, prefix = ''): Array<[string, unknown]> {
  return Object.entries(value).flatMap(([name, item]: [string, unknown]): Array<[string, unknown]> => {
    const isGroup = typeof item === 'object' && item !== null && !['store', 'helmet'].includes(name)
    return isGroup ? leaves(item, `${prefix}${name}.`) : [[prefix + name, item]]
  })
}
