// Makes JSON Schema of the types of the messages, which are in lib/protocol/messages.ts.
import { join } from 'node:path'
import ts from 'typescript'

/** The types that are messages, and the one of requests, which operations describe in detail. */
const names = [
  'RequestMessage', 'PongMessage', 'SuccessResponse', 'ErrorResponse', 'PushMessage', 'WelcomeMessage',
  'PingMessage', 'SystemMessage'
]

/** Returns the JSON Schema of each type of message below `root`, by the name of the type. */
export function messageSchemas (root) {
  const file = join(root, 'lib/protocol/messages.ts')
  const { ESNext } = ts.ScriptTarget
  const options = {
    target: ESNext,
    module: ts.ModuleKind.NodeNext,
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    types: []
  }
  const program = ts.createProgram([file], options)
  const checker = program.getTypeChecker()
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)))
  return new Map(names.map(name => {
    const symbol = exported.find(found => found.name === name)
    if (symbol === undefined) throw new Error(`messages.ts has no type ${name}`)
    const schema = schemaOf(checker.getDeclaredTypeOfSymbol(symbol), checker)
    return [name, withComment(schema, symbol, checker)]
  }))
}

function schemaOf (type, checker) {
  const { flags } = type
  if (flags & (ts.TypeFlags.Unknown | ts.TypeFlags.Any)) return {}
  if (flags & ts.TypeFlags.Null) return { type: 'null' }
  if (flags & ts.TypeFlags.BooleanLiteral) return { const: checker.typeToString(type) === 'true' }
  if (type.isLiteral()) return { const: type.value }
  if (flags & ts.TypeFlags.String) return { type: 'string' }
  if (flags & ts.TypeFlags.Number) return { type: 'number' }
  if (flags & ts.TypeFlags.Boolean) return { type: 'boolean' }
  if (type.isUnion()) return unionOf(type.types, checker)
  if (checker.isTupleType(type)) {
    const { length } = checker.getTypeArguments(type)
    return { type: 'array', minItems: length, maxItems: length }
  }
  if (checker.isArrayType(type)) {
    const [element] = checker.getTypeArguments(type)
    return { type: 'array', items: schemaOf(element, checker) }
  }
  return objectOf(type, checker)
}

/** Texts that are alternatives become an `enum`; so does nothing else. */
function unionOf (types, checker) {
  const present = types.filter(({ flags }) => !(flags & ts.TypeFlags.Undefined))
  if (present.length > 1 && present.every(type => type.isStringLiteral())) {
    return { enum: present.map(({ value }) => value) }
  }
  const schemas = present.map(type => schemaOf(type, checker))
  return schemas.length === 1 ? schemas[0] : { anyOf: schemas }
}

function objectOf (type, checker) {
  const members = checker.getPropertiesOfType(type)
  const isOptional = member => (member.flags & ts.SymbolFlags.Optional) !== 0
  const required = members.filter(member => !isOptional(member)).map(({ name }) => name)
  const properties = members.map(member => {
    const schema = schemaOf(checker.getTypeOfSymbol(member), checker)
    return [member.name, withComment(schema, member, checker)]
  })
  return {
    type: 'object',
    ...(required.length > 0 && { required }),
    ...(members.length > 0 && { properties: Object.fromEntries(properties) })
  }
}

function withComment (schema, symbol, checker) {
  const comment = ts.displayPartsToString(symbol.getDocumentationComment(checker)).replace(/\s+/g, ' ').trim()
  return comment === '' ? schema : { ...schema, description: comment }
}
