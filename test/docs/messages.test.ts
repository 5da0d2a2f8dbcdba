import t from 'tap'
import { MAX_KEY_CHARS } from '../../lib/idempotency/keyed-requests.js'
import { operations } from '../../lib/operations/registry.js'
import type { Frame } from '../support/client.js'
import { readDocument } from '../support/documents.js'
import { exchangeProblems, MessageSchema, noticeProblem } from '../support/message-schema.js'
import { exchangesOf } from '../support/protocol-exchanges.js'
import { serve } from '../support/service.js'

const exchanges = exchangesOf(readDocument('PROTOCOL.md'))
const open = new MessageSchema(false)

/** Returns a JSON text as a message; `undefined` where it is none. */
function parsed (text: string): Frame | undefined {
  try {
    return JSON.parse(text) as Frame
  } catch {
    return undefined
  }
}

/** An operation of the application, in the examples. */
const own = 'shop.quote'

t.test('each message that PROTOCOL.md shows is as docs/messages.schema.json says', async t => {
  let requests: Frame[] = []
  let client = ''
  let count = 0
  for (const { client: name, heading, messages } of exchanges) {
    if (name !== client) requests = []
    client = name
    for (const { from, text } of messages) {
      const message = parsed(text)
      if (from === 'client') {
        if (message !== undefined) requests.push(message)
        continue
      }
      if (message === undefined) throw new Error(`${heading}: ${text} is no JSON`)
      count++
      const request = requests.findLast(({ id }) => id !== undefined && id === message['id'])
      const isOwn = request?.['type'] === own
      const problems = message['type'] === 'result' && request !== undefined
        ? exchangeProblems({ ...request, type: isOwn ? 'application' : request['type'] }, message)
        : [noticeProblem(message)].filter(problem => problem !== undefined)
      t.same(problems, [], `${heading}: ${text.slice(0, 60)}`)
      const accepted = open.problem('fromServer', message)
      t.equal(accepted, undefined, 'it is one of the messages of the server')
      if (request !== undefined && message['type'] === 'result') {
        t.equal(open.problem('fromClient', request), undefined, 'its request is one of those of the client')
      }
    }
  }
  t.ok(count > operations.size, `${count} messages`)
})

t.test('each operation says what it answers, and shows the fields that it checks', async t => {
  for (const { name, request, documented, output } of operations.values()) {
    t.ok(output !== undefined, `${name} has an output in its definition`)
    t.same(Object.keys(documented.properties), Object.keys(request.properties), `the fields of ${name}`)
    t.same(documented.required, request.required, `what ${name} requires`)
  }
})

t.test('a message that is none is refused', async t => {
  const wrong: ReadonlyArray<readonly [definition: string, message: object]> = [
    ['store.get.request', { id: 1, type: 'store.get', bucket: 'items' }],
    ['store.get.request', { id: 1, type: 'store.get', bucket: '', key: 1 }],
    ['store.get.request', { id: '1', type: 'store.get', bucket: 'items', key: 1 }],
    ['store.get.request', { id: 1, type: 'store.get', bucket: 'items', key: null }],
    ['store.get.result', { id: 1, type: 'result', data: { id: 'a' } }],
    ['store.count.result', { id: 1, type: 'result', data: '2' }],
    ['store.delete.result', { id: 1, type: 'result', data: { deleted: false } }],
    ['store.transaction.request', { id: 1, type: 'store.transaction', operations: [{ op: 'fly' }] }],
    ['store.insert.result', { id: 1, type: 'result', data: { repeated: false } }],
    ['identity.whoami.result', { id: 1, type: 'result', data: { authenticated: true } }],
    ['error', { id: 1, type: 'error', code: 'NOT_A_CODE', message: 'x' }],
    ['push', { type: 'push', channel: 'subscription', subscriptionId: 'x' }],
    ['system', { type: 'system', event: 'shutdown' }],
    ['application.request', { id: 1, type: 'store.get' }],
    ['fromServer', { type: 'pong', timestamp: 1 }],
    ['fromClient', { id: 1, type: 'store.insert', bucket: 'items' }]
  ]
  for (const [definition, message] of wrong) {
    t.match(open.problem(definition, message), definition, JSON.stringify(message))
  }
  t.equal(open.problem('store.insert.result', { id: 1, type: 'result', data: { repeated: true } }), undefined)
})

t.test('an idempotency key has the length that the server takes', async t => {
  const client = await (await serve(t)).connect()
  for (const [length, isTaken] of [[1, true], [MAX_KEY_CHARS, true], [MAX_KEY_CHARS + 1, false]] as const) {
    const request = {
      id: 9_000 + length, type: 'store.insert', bucket: 'items', data: {}, idempotencyKey: 'k'.repeat(length)
    }
    client.send(request)
    const reply = await client.next(({ id }) => id === request.id)
    t.equal(reply['type'], isTaken ? 'result' : 'error', `${length} characters`)
    t.equal(open.problem('store.insert.request', request) === undefined, isTaken)
    t.same(exchangeProblems(request, reply), [])
  }
})

t.test('every definition is one that a validator can use', async t => {
  for (const name of open.names) t.doesNotThrow(() => { open.problem(name, {}) }, name)
})
