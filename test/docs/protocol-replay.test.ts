import t from 'tap'
import { ErrorCode } from '../../lib/index.js'
import { operations } from '../../lib/operations/registry.js'
import type { Frame, TestClient } from '../support/client.js'
import { ExampleClients } from '../support/protocol-clients.js'
import { readDocument } from '../support/documents.js'
import { Examples, exchangesOf, shapeOf } from '../support/protocol-exchanges.js'

const protocol = readDocument('PROTOCOL.md')
const exchanges = exchangesOf(protocol)

/** Replies that are mostly measurements: their members and types are compared. */
const measuring = new Set(['store.stats', 'rules.stats', 'server.stats', 'server.queries'])

t.test('a server answers each example of PROTOCOL.md as it is shown', async t => {
  const clients = new ExampleClients(t)
  const examples = new Examples()
  t.ok(exchanges.length > operations.size, 'there are examples')
  for (const { client: name, heading, messages } of exchanges) {
    const client = await clients.get(name)
    for (const { from, text } of messages) {
      if (from === 'client') {
        client.send(examples.translate(text))
        continue
      }
      const shown = JSON.parse(text) as Frame
      const real = await answerLike(client, shown)
      const isMeasured = measuring.has(heading.replaceAll('`', '')) && shown['type'] === 'result'
      if (isMeasured) t.same(shapeOf(shown), shapeOf(real), heading)
      else t.equal(examples.difference(shown, real), undefined, `${heading}: ${text.slice(0, 80)}`)
    }
  }
  for (const name of ['open', 'admin', 'alice', 'tokens', 'own']) {
    const { waiting } = await clients.get(name)
    const unasked = waiting.filter(({ type }) => type === 'push' || type === 'system')
    t.same(unasked, [], `nothing of ${name} is left out`)
  }
})

/** Waits for the frame that an example shows: the reply to its request, or the first of its kind. */
async function answerLike (client: TestClient, shown: Frame): Promise<Frame> {
  const isReply = shown['id'] !== undefined
  return await client.next(frame => isReply
    ? frame['id'] === shown['id']
    : ['type', 'event', 'channel'].every(name => frame[name] === shown[name]))
}

t.test('every message is shown, and every error code that a client can cause', async t => {
  const shown = exchanges.flatMap(({ messages }) => messages)
    .filter(({ from }) => from === 'server')
    .map(({ text }) => JSON.parse(text) as Frame)
  const types = new Set(shown.map(({ type }) => type as string))
  t.same([...types].sort(), ['error', 'ping', 'push', 'result', 'system', 'welcome'])
  const events = new Set(shown.filter(({ type }) => type === 'system').map(({ event }) => event as string))
  t.same([...events].sort(), [
    'closed_by_operator', 'gap', 'revision', 'session_ended', 'session_revoked', 'shutdown',
    'subscription_closed'
  ])
  const codes = new Set(shown.filter(({ type }) => type === 'error').map(({ code }) => code as string))
  const unseen = Object.keys(ErrorCode).filter(code => !codes.has(code))
  t.same(unseen, ['BACKPRESSURE', 'INTERNAL_ERROR'], 'one is never sent, one is a fault of the server')
})
