// Builds docs/asyncapi.json: AsyncAPI 3.0 of the WebSocket.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { operations } from '../../dist/lib/operations/registry.js'
import { closeReasons } from '../../dist/lib/protocol/close-codes.js'
import { ErrorCode, httpStatuses } from '../../dist/lib/protocol/errors.js'
import { PROTOCOL_VERSION } from '../../dist/lib/protocol/messages.js'

const description = 'The messages of one WebSocket, of which each is one JSON value as text. Written by ' +
  'npm run docs; PROTOCOL.md says what they mean. A stream of events (routes.events) has the same ones; ' +
  'requests over HTTP (routes.rpc) are in the document that @fastify/swagger makes of an application.'

const channel = { $ref: '#/channels/socket' }
const messageOf = name => ({ $ref: `#/channels/socket/messages/${name}` })
const reference = { $ref: '#/components/correlationIds/request' }

/** Returns the document; `definitions` are the schemas of the messages, `texts` is what `textsOf` returns. */
export function asyncApi (definitions, texts) {
  const names = Object.keys(definitions).filter(name => name !== 'repeated')
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'fastify-noex',
      version: PROTOCOL_VERSION,
      description,
      license: { name: 'MIT' },
      tags: namespaces().map(name => ({ name }))
    },
    defaultContentType: 'application/json',
    servers: {
      local: {
        host: 'localhost:3000', protocol: 'ws', description: 'Where the application listens.'
      }
    },
    channels: {
      socket: {
        address: '/',
        title: 'The WebSocket',
        description: 'At the option path, below prefix. Closes are in x-close-codes.',
        messages: Object.fromEntries(names.map(name => [name, { $ref: `#/components/messages/${name}` }])),
        bindings: { ws: { method: 'GET', bindingVersion: '0.1.0' } },
        'x-close-codes': closeCodes(texts)
      }
    },
    operations: { ...ownMessages(), ...requests(texts) },
    components: {
      schemas: Object.fromEntries(Object.entries(definitions).map(([name, schema]) => [name, local(schema)])),
      messages: Object.fromEntries(names.map(name => [name, message(name, definitions[name], texts)])),
      correlationIds: {
        request: { description: 'A reply has the id of its request.', location: '$message.payload#/id' }
      }
    }
  }
}

/** Returns the first sentences of PROTOCOL.md on operations, and the comments of the tables of codes. */
export function textsOf (root) {
  const protocol = readFileSync(join(root, 'PROTOCOL.md'), 'utf8')
  const summaries = new Map([...protocol.matchAll(/^#+ `([\w.]+)`\n\n(?!- )([^]*?)\n\n/gm)]
    .map(([, name, paragraph]) => [name, firstSentence(paragraph)]))
  const comments = ['errors', 'close-codes'].map(name => {
    const code = readFileSync(join(root, `lib/protocol/${name}.ts`), 'utf8')
    const members = code.matchAll(/^ {2}\/\*\* (.+) \*\/\n {2}(\w+): /gm)
    return [...members].map(([, comment, member]) => [member, comment])
  })
  return { summaries, comments: new Map(comments.flat()) }
}

function firstSentence (paragraph) {
  return paragraph.replace(/\s+/g, ' ').replace(/\[(.+?)\]\(.+?\)/g, '$1').split(/(?<=\.) /)[0]
}

function namespaces () {
  return [...new Set([...operations.keys()].map(name => name.split('.')[0]))]
}

function closeCodes ({ comments }) {
  return Object.entries(closeReasons)
    .map(([name, reason]) => ({ ...reason, description: comments.get(name) }))
}

/** The operations that the server, or the client, begins without a request. */
function ownMessages () {
  const send = (name, summary) => [name, { action: 'send', channel, summary, messages: [messageOf(name)] }]
  return Object.fromEntries([
    send('welcome', 'The first message of every connection.'),
    send('push', 'The new result of a live query, what has changed in it, or an event of the rules.'),
    send('system', 'News about the connection itself.'),
    ['heartbeat', {
      action: 'send',
      channel,
      summary: 'Asks whether the client still is there; it answers with a pong.',
      messages: [messageOf('ping')],
      reply: { channel, messages: [messageOf('pong')] }
    }],
    ['ping', request('ping', 'Asks whether the connection still is one.')],
    ['application', request('application', 'A request for an operation of the application.')]
  ])
}

function requests ({ summaries }) {
  return Object.fromEntries([...operations.values()].map(operation => {
    const { name, tier, accessLevel, takesKey, errors = [] } = operation
    const described = {
      ...request(name, summaries.get(name)),
      tags: [{ name: name.split('.')[0] }],
      'x-callers': accessLevel,
      ...(tier !== undefined && { 'x-tier': tier }),
      'x-takes-idempotency-key': takesKey,
      'x-errors': errors
    }
    return [name, described]
  }))
}

function request (name, summary) {
  return {
    action: 'receive',
    channel,
    ...(summary !== undefined && { summary }),
    messages: [messageOf(`${name}.request`)],
    reply: { channel, messages: [messageOf(`${name}.result`), messageOf('error')] }
  }
}

function message (name, { description }, { comments }) {
  const isReply = /\.(request|result)$|^error$/.test(name)
  return {
    name,
    ...(description !== undefined && { summary: description }),
    contentType: 'application/json',
    ...(isReply && { correlationId: reference }),
    payload: { $ref: `#/components/schemas/${name}` },
    ...(name === 'error' && {
      'x-codes': Object.keys(ErrorCode).map(code =>
        ({ code, httpStatus: httpStatuses[code], description: comments.get(code) }))
    })
  }
}

/** Returns a schema whose references lead to the components of this document. */
function local (schema) {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/'))
}
