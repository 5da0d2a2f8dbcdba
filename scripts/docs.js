// Writes the generated tables into the documents, after a build: npm run docs. With --check it writes nothing
// and fails where a document would change.
//
// A table stands between two comments, of which the first says what it shows:
//   <!-- generated: options GROUP... [of OWNER] -->   the options of groups, or of a member: GROUP.MEMBER
//   <!-- generated: limits of options -->             the options that are limits: those tagged @limit
//   <!-- generated: limits FOLDER... -->              the constants that are limits, of folders of lib
//   <!-- generated: operations all -->                all operations of the protocol
//   <!-- end -->
// The lists below the headings of operations in PROTOCOL.md are generated, too, and so are
// docs/messages.schema.json and docs/asyncapi.json.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { operations } from '../dist/lib/operations/registry.js'
import { asyncApi, textsOf } from './docs/asyncapi.js'
import { messageDefinitions, messageSchema } from './docs/message-schemas.js'
import { messageSchemas } from './docs/message-types.js'
import { operationTable, withOperationLists } from './docs/operation-words.js'
import { readSources } from './docs/sources.js'
import { limitTable, optionLimitTable, optionTable } from './docs/tables.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const isCheck = process.argv.includes('--check')
const sources = readSources(root)
const shownFolders = new Set()

/** Returns the group of this name, or one member of it, with the interface that documents it. */
async function find (name) {
  const [groupName, member] = name.split('.')
  const found = sources.groups.get(groupName)
  if (found === undefined) throw new Error(`there is no group of options ${groupName}`)
  const file = join(root, 'dist', found.file.replace(/\.ts$/, '.js'))
  const module = await import(pathToFileURL(file).href)
  const group = module[groupName]
  if (group === undefined) throw new Error(`${found.file} does not export ${groupName}`)
  if (member !== undefined && !(member in group.members)) throw new Error(`there is no option ${name}`)
  return { group, member, documented: found.documented }
}

async function optionsPart (words) {
  const at = words.indexOf('of')
  const names = at === -1 ? words : words.slice(0, at)
  return optionTable(await Promise.all(names.map(find)), at === -1 ? undefined : words[at + 1], sources)
}

async function limitsPart (words) {
  if (words.join(' ') === 'of options') {
    const prefixes = Object.entries({
      noexOptions: '', externalOptions: 'auth.', builtInOptions: 'auth.', auditOptions: 'audit.'
    })
    const listed = prefixes.map(async ([name, prefix]) => ({ ...await find(name), prefix }))
    return optionLimitTable(await Promise.all(listed), sources)
  }
  for (const folder of words) shownFolders.add(folder)
  return limitTable(sources.limits.filter(({ file }) => words.some(folder => isIn(file, folder))))
}

function isIn (file, folder) {
  return file.startsWith(`lib/${folder}/`) || file.startsWith(`${folder}/`)
}

const parts = { options: optionsPart, limits: limitsPart, operations: () => operationTable(operations) }

/** Returns a document with its generated parts as they should be. */
async function regenerate (text, name) {
  const marker = /^<!-- generated: (\w+) (.+?) -->\n[^]*?^<!-- end -->$/gm
  let result = ''
  let end = 0
  for (const found of text.matchAll(marker)) {
    const [whole, kind, words] = found
    if (!Object.hasOwn(parts, kind)) throw new Error(`${name}: nothing generates "${kind}"`)
    const opening = whole.slice(0, whole.indexOf('\n'))
    const content = await parts[kind](words.split(' '))
    result += `${text.slice(end, found.index)}${opening}\n\n${content}\n\n<!-- end -->`
    end = found.index + whole.length
  }
  return result + text.slice(end)
}

let isStale = false

/** Writes a file that is not as generated; with --check, says so. */
function settle (name, generated) {
  const path = join(root, name)
  if (existsSync(path) && readFileSync(path, 'utf8') === generated) return
  if (isCheck) console.error(`${name} is not as generated: run npm run docs`)
  else writeFileSync(path, generated)
  isStale = true
}

for (const name of ['PROTOCOL.md', ...readdirSync(join(root, 'docs')).map(file => `docs/${file}`)]) {
  if (!name.endsWith('.md')) continue
  const text = readFileSync(join(root, name), 'utf8')
  const tables = await regenerate(text, name)
  settle(name, name === 'PROTOCOL.md' ? withOperationLists(tables, operations) : tables)
}
const definitions = messageDefinitions(messageSchemas(root))
settle('docs/messages.schema.json', json(messageSchema(definitions)))
settle('docs/asyncapi.json', json(asyncApi(definitions, textsOf(root))))
const missing = sources.limits.filter(({ file }) => ![...shownFolders].some(folder => isIn(file, folder)))
for (const { file, text } of missing) console.error(`no document shows the limit of ${file}: ${text}`)
if (missing.length > 0 || (isCheck && isStale)) process.exitCode = 1

/** Returns JSON with a line for each definition: short, and with changes that can be read. */
function json (value) {
  return `${linesOf(value, 3)}\n`
}

function linesOf (value, levels, indent = '') {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (levels === 0 || !isObject) return JSON.stringify(value)
  const inner = `${indent}  `
  const members = Object.entries(value).map(([name, member]) =>
    `${inner}${JSON.stringify(name)}: ${linesOf(member, levels - 1, inner)}`)
  return members.length === 0 ? '{}' : `{\n${members.join(',\n')}\n${indent}}`
}
