// Builds the generated tables from the groups of options, which the build has made, and from their comments.
import { isGroup } from '../../dist/lib/util/option-schema.js'

/** Builds the table of a list of groups, or of members of groups, which `owner` has. */
export function optionTable (listed, owner, sources) {
  const rows = listed.flatMap(({ group, member, documented }) => {
    const members = member === undefined ? group.members : { [member]: group.members[member] }
    return rowsOf(members, documented, '', sources)
  })
  const header = [owner === undefined ? 'option' : `option of \`${owner}\``, 'default', 'values', 'meaning']
  return table(
    header,
    rows.map(({ path, fallback, values, text }) => [`\`${path}\``, fallback, values, text])
  )
}

/** Builds the table of the options that are limits, with the paths that start with `prefix`. */
export function optionLimitTable (listed, sources) {
  const rows = listed.flatMap(({ group, documented, prefix }) =>
    rowsOf(group.members, documented, prefix, sources).filter(({ limit }) => limit !== undefined))
  return table(['bound', 'option', 'default', 'above it'], rows.map(({ path, fallback, text, limit }) =>
    [firstSentence(text), `\`${path}\``, fallback, limit]))
}

/** Builds the table of constants that are limits. */
export function limitTable (limits) {
  return table(['bound', 'at most', 'above it'], limits.map(({ text, value, limit }) =>
    [firstSentence(text), value.toLocaleString('en'), limit]))
}

/** Returns a row for each option; the options of a documented group within stand in its place. */
function rowsOf (members, documented, prefix, sources) {
  return Object.entries(members).flatMap(([name, schema]) => {
    const path = prefix + name
    const comment = memberOf(documented, name, sources)
    if (comment === undefined) throw new Error(`${documented} has no member ${name}`)
    if (comment.text === '') throw new Error(`${documented}.${name} has no doc comment`)
    const isNested = isGroup(schema) && schema.isOptional !== true && sources.interfaces.has(comment.type)
    if (isNested) return rowsOf(schema.members, comment.type, `${path}.`, sources)
    const fallback = defaultOf(schema, comment, `${documented}.${name}`)
    return [{ path, fallback, values: valuesOf(schema), text: comment.text, limit: comment.limit }]
  })
}

/** Returns the comment of a member that an interface, or one that it extends, declares. */
function memberOf (documented, name, sources) {
  const found = sources.interfaces.get(documented)
  return found?.members.get(name) ??
    found?.bases.map(base => memberOf(base, name, sources)).find(comment => comment !== undefined)
}

/** Returns the default as a table shows it. The comment of an option says the same, or says it in words. */
function defaultOf (schema, comment, name) {
  if (schema.isRequired === true) return 'required'
  if (comment.default === undefined) throw new Error(`the doc comment of ${name} has no @default`)
  const value = isGroup(schema) && schema.isOptional !== true ? schema.defaults : schema.fallback
  const shown = literal(value)
  const said = /^[[{]/.test(comment.default) ? comment.default.replaceAll('\'', '"') : comment.default
  if (said === shown) return value === Infinity ? shown : `\`${shown}\``
  if (typeof value === 'object' || value === undefined) return comment.default
  throw new Error(`the doc comment of ${name} has @default ${comment.default}, and the default is ${shown}`)
}

function literal (value) {
  if (value === Infinity) return 'unlimited'
  if (typeof value === 'number') return value.toLocaleString('en').replaceAll(',', '_')
  return typeof value === 'string' ? `'${value}'` : JSON.stringify(value)
}

function valuesOf (schema) {
  if (!isGroup(schema)) return schema.type?.text ?? 'object'
  const types = new Set(Object.values(schema.members).map(valuesOf))
  const names = Object.keys(schema.members).join(', ')
  return types.size === 1 ? `\`{ ${names} }\`, each ${[...types][0]}` : 'object'
}

/** Returns the first sentence of a comment, without what a colon or a semicolon adds. */
function firstSentence (text) {
  return text.split(/[.:;](?= |$)/)[0]
}

/** Builds a table of Markdown. */
export function table (header, rows) {
  const line = cells => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(header), `|${'---|'.repeat(header.length)}`, ...rows.map(line)].join('\n')
}
