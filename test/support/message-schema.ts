import { Ajv2020, type AnySchemaObject, type ValidateFunction } from 'ajv-8/dist/2020.js'
import type { Frame } from './client.js'
import { readDocument } from './documents.js'

type Json = AnySchemaObject

const document = JSON.parse(readDocument('docs/messages.schema.json')) as Json

/** Members of these are those of packages, of definitions and of figures: the documents do not list them. */
const isOpen = ({ properties, additionalProperties }: Json): boolean =>
  properties === undefined || additionalProperties !== undefined

/** Returns a schema that refuses members which it does not name, but where it says that there may be any. */
function closed (schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed)
  if (typeof schema !== 'object' || schema === null) return schema
  const parts = Object.entries(schema).map(([name, part]) => [name, name === 'enum' ? part : closed(part)])
  const copy = Object.fromEntries(parts) as Json
  return copy['type'] === 'object' && !isOpen(copy) ? { ...copy, additionalProperties: false } : copy
}

/** Characters of a message in the text of a problem. */
const MAX_SHOWN = 300

/** Checks messages as docs/messages.schema.json says; `isClosed`: a member that it does not name is wrong. */
export class MessageSchema {
  readonly #ajv: Ajv2020
  readonly #validators = new Map<string, ValidateFunction>()

  constructor (isClosed: boolean) {
    this.#ajv = new Ajv2020({ strict: false, allErrors: false })
    this.#ajv.addSchema(isClosed ? closed(document) as Json : document, 'messages')
  }

  /** Returns the problem of a message with the definition of this name; `undefined` where it fits. */
  problem (definition: string, message: unknown): string | undefined {
    const known = this.#validators.get(definition)
    const validate = known ?? this.#ajv.compile({ $ref: `messages#/$defs/${definition}` })
    this.#validators.set(definition, validate)
    if (validate(message)) return undefined
    const [error] = validate.errors ?? []
    const { instancePath = '', message: text = '', params = {} } = error ?? {}
    const shown = JSON.stringify(message).slice(0, MAX_SHOWN)
    return `${definition}: ${instancePath} ${text} ${JSON.stringify(params)} in ${shown}`
  }

  /** Returns the names of the definitions. */
  get names (): string[] {
    return Object.keys(document['$defs'] as object)
  }
}

const open = new MessageSchema(false)
const strict = new MessageSchema(true)

/** Returns the definition of a message of the server; `type` is that of the request which it answers. */
function definitionOf (message: Frame, type?: string): string {
  if (message['type'] !== 'result') return message['type'] as string
  if (type === undefined) throw new Error(`no request for ${JSON.stringify(message)}`)
  return `${type}.result`
}

/**
 * Returns the problems of a request and its reply. A request that is carried out must fit, and a message of
 * the server has no member that the documents do not name.
 */
export function exchangeProblems (request: Frame, reply: Frame): string[] {
  const type = request['type'] as string
  const asked = reply['type'] === 'result' ? open.problem(`${type}.request`, request) : undefined
  const answered = strict.problem(definitionOf(reply, type), reply)
  return [asked, answered].filter(problem => problem !== undefined)
}

/** Returns the problem of a message that the server has sent unasked; `undefined` where it has none. */
export function noticeProblem (message: Frame): string | undefined {
  return strict.problem(definitionOf(message), message)
}
