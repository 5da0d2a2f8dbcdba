// Builds docs/messages.schema.json: JSON Schema of every message.
import { operations } from '../../dist/lib/operations/registry.js'
import { PROTOCOL_VERSION } from '../../dist/lib/protocol/messages.js'
import { MAX_KEY_CHARS } from '../../dist/lib/idempotency/keyed-requests.js'

const id = { type: 'number' }

/** The answer to a repeated request where that of the first is not kept, or may not be shown any more. */
const repeated = {
  type: 'object',
  required: ['repeated'],
  properties: { repeated: { const: true } },
  additionalProperties: false
}

/** Members of requests that change something. */
const keyed = {
  idempotencyKey: { type: 'string', minLength: 1, maxLength: MAX_KEY_CHARS },
  revision: { type: 'boolean', description: 'Whether the result shall have a revision.' }
}

/** Returns the schemas of all messages, by name; `types` are those of the types of messages. */
export function messageDefinitions (types) {
  const definitions = {
    welcome: types.get('WelcomeMessage'),
    error: types.get('ErrorResponse'),
    push: types.get('PushMessage'),
    ping: types.get('PingMessage'),
    system: types.get('SystemMessage'),
    pong: types.get('PongMessage'),
    'ping.request': requestOf('ping', {}, []),
    'ping.result': resultOf(types, { type: 'object' }, false, 'The reply to a `ping` of the client.')
  }
  for (const operation of operations.values()) {
    const { name, documented, takesKey, output = {} } = operation
    const { properties, required } = documented
    definitions[`${name}.request`] =
      requestOf(name, { ...tidy(properties), ...(takesKey && keyed) }, required ?? [])
    const data = tidy(output)
    definitions[`${name}.result`] = resultOf(types, takesKey ? orRepeated(data) : data, takesKey)
  }
  definitions.repeated = repeated
  const others = ['ping', 'pong', ...operations.keys()]
  definitions['application.request'] = {
    ...types.get('RequestMessage'),
    description: 'A request for an operation of the application.',
    properties: { id, type: { type: 'string', not: { enum: others } }, ...keyed }
  }
  definitions['application.result'] = resultOf(types, {}, true, 'The reply of such an operation.')
  return definitions
}

/** Returns the document; its root is any message. */
export function messageSchema (definitions) {
  const refs = names => names.map(name => ({ $ref: `#/$defs/${name}` }))
  const isClient = name => name === 'pong' || name.endsWith('.request')
  const names = Object.keys(definitions).filter(name => name !== 'repeated')
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: `Messages of fastify-noex, protocol ${PROTOCOL_VERSION}`,
    description: 'Written by npm run docs. PROTOCOL.md says what they mean.',
    anyOf: refs(['fromClient', 'fromServer']),
    $defs: {
      fromClient: { anyOf: refs(names.filter(isClient)) },
      fromServer: { anyOf: refs(names.filter(name => !isClient(name))) },
      ...definitions
    }
  }
}

function orRepeated (data) {
  return { anyOf: [data, { $ref: '#/$defs/repeated' }] }
}

function requestOf (type, fields, required) {
  return {
    type: 'object',
    required: ['id', 'type', ...required],
    properties: { id, type: { const: type }, ...fields }
  }
}

function resultOf (types, data, isKeyed, description) {
  const { properties: { revision: { type: revision }, ...properties }, description: _usual, ...result } =
    types.get('SuccessResponse')
  return {
    ...result,
    properties: { ...properties, data, ...(isKeyed && { revision: { type: revision } }) },
    ...(description !== undefined && { description })
  }
}

/** Returns a schema as JSON, in which an object of any members is written in the usual way. */
function tidy (schema) {
  return JSON.parse(JSON.stringify(schema), (_name, value) => {
    const { patternProperties, ...others } = value ?? {}
    const any = patternProperties?.['^.*$']
    if (any === undefined) return value
    return Object.keys(any).length === 0 ? others : { ...others, additionalProperties: any }
  })
}
