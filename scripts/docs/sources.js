// Reads the doc comments of the sources: those of interfaces, and those of constants that are limits.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

const folders = ['lib', 'packages/noex-store/src', 'packages/noex-rules/src']

/**
 * Returns the interfaces and the groups of options by name, and the constants with the tag `@limit`, as the
 * sources below `root` declare them.
 */
export function readSources (root) {
  const sources = { interfaces: new Map(), groups: new Map(), limits: [] }
  for (const folder of folders) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).sort()) {
      const file = join(folder, name)
      if (name.endsWith('.ts')) readSource(file, readFileSync(join(root, file), 'utf8'), sources)
    }
  }
  return sources
}

function readSource (file, text, { interfaces, groups, limits }) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true)
  for (const statement of source.statements) {
    if (ts.isInterfaceDeclaration(statement)) interfaces.set(statement.name.text, interfaceOf(statement))
    if (!ts.isVariableStatement(statement)) continue
    for (const { name, initializer } of statement.declarationList.declarations) {
      if (/^options<\w+>\(\)\(/.test(initializer?.getText() ?? '')) {
        const [documented] = initializer.expression.typeArguments
        groups.set(name.getText(), { file, documented: documented.getText() })
      }
      const comment = commentOf(statement)
      if (comment.limit === undefined) continue
      limits.push({ file, ...comment, value: numberOf(name.getText(), initializer) })
    }
  }
}

/** Returns the members of an interface with their comments, and the interfaces that it extends. */
function interfaceOf (declaration) {
  const members = new Map()
  for (const member of declaration.members) {
    if (!ts.isPropertySignature(member)) continue
    const types = ts.isUnionTypeNode(member.type) ? member.type.types : [member.type]
    const type = types.find(ts.isTypeReferenceNode)
    members.set(member.name.getText(), { ...commentOf(member), type: type?.typeName.getText() })
  }
  const bases = (declaration.heritageClauses ?? []).flatMap(({ types }) => types)
  return { members, bases: bases.map(type => type.expression.getText()) }
}

/** Returns the text of a doc comment and of its tags `@default` and `@limit`, each in one line. */
function commentOf (node) {
  const comment = { text: '', default: undefined, limit: undefined }
  for (const part of ts.getJSDocCommentsAndTags(node)) {
    if (!ts.isJSDoc(part)) continue
    comment.text = oneLine(part.comment)
    for (const tag of part.tags ?? []) {
      const name = tag.tagName.text
      if (name === 'default' || name === 'limit') comment[name] = oneLine(tag.comment)
    }
  }
  return comment
}

function oneLine (comment) {
  return (ts.getTextOfJSDocComment(comment) ?? '').replace(/\s+/g, ' ').trim()
}

/** Returns the value of a constant, which must be a computation with numbers alone. */
function numberOf (name, initializer) {
  const text = initializer?.getText() ?? ''
  if (!/^[\d_+\-*() ]+$/.test(text)) throw new Error(`the limit ${name} is no number: ${text}`)
  // eslint-disable-next-line no-new-func
  return Function(`return ${text}`)()
}
