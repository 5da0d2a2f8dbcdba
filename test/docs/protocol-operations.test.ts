import t from 'tap'
import type { TObject } from 'typebox'
import { ErrorCode } from '../../lib/index.js'
import { operations } from '../../lib/operations/registry.js'
import type { Frame } from '../support/client.js'
import { ExampleClients } from '../support/protocol-clients.js'
import { readDocument } from '../support/documents.js'
import { anchorOf, exchangesOf, sectionsOf, type Exchange } from '../support/protocol-exchanges.js'

const protocol = readDocument('PROTOCOL.md')
const sections = new Map(sectionsOf(protocol).map(section => [section.heading, section]))
const exchanges = new Map<string, Exchange>(exchangesOf(protocol).map(shown => [shown.heading, shown]))

/** Fields that name something. */
const names = ['bucket', 'query', 'ruleId', 'roleId', 'userId', 'subscriptionId', 'name']

/** Operations that take names of what does not exist, or another one than the user's as forbidden. */
const takesAnyName = new Set([
  'server.connections', 'server.revoke',
  'store.defineBucket', 'store.defineQuery', 'identity.createRole', 'audit.query', 'identity.changePassword'
])

/** A line of the list at the head of an operation: `- fields: …`. */
function stated (operation: string, name: string): string | undefined {
  const text = sections.get(`\`${operation}\``)?.text.replaceAll('\n  ', ' ') ?? ''
  return new RegExp(`^- ${name}: (.+)$`, 'm').exec(text)?.[1]
}

/** The error codes that an operation names. */
function errorsOf (operation: string): string[] {
  return [...(stated(operation, 'errors') ?? '').matchAll(/`([A-Z_]+)`/g)].map(([, code]) => code as string)
}

/** The first request that an operation shows. */
function requestOf (operation: string): Frame {
  const messages = exchanges.get(`\`${operation}\``)?.messages ?? []
  return messages.map(({ text }) => JSON.parse(text) as Frame).find(({ type }) => type === operation) ?? {}
}

t.test('PROTOCOL.md has a heading for every operation, with a request and its result', async t => {
  for (const name of operations.keys()) {
    const replies = exchanges.get(`\`${name}\``)?.messages.map(({ text }) => text) ?? []
    t.equal(requestOf(name)['type'], name, name)
    t.ok(replies.some(text => text.includes('"type":"result"')), `${name} shows a result`)
  }
  const named = [...sections.keys()].filter(heading => /^`\w+\.\w+`$/.test(heading))
  t.same(named.sort(), [...operations.keys()].map(name => `\`${name}\``).sort(), 'and for nothing else')
})

t.test('what it says of an operation is what the table of operations says', async t => {
  const fieldsOf = ({ properties, required }: TObject): string[] =>
    Object.keys(properties).map(field => required?.includes(field) === true ? field : `${field}?`)
  for (const { name, tier, accessLevel, request, validate } of operations.values()) {
    const fields = (stated(name, 'fields') ?? '').matchAll(/(?:^|, )`(\w+\??)`/g)
    t.same([...fields].map(([, field]) => field), fieldsOf(request), `the fields of ${name}`)
    const who = stated(name, 'who')
    const needed = accessLevel === 'everyone' ? 'any client' : accessLevel
    if (who === undefined) t.equal(stated(name, 'tier'), tier, `the tier of ${name}`)
    else if (needed !== 'session') t.equal(who, needed, `the callers of ${name}`)
    t.doesNotThrow(() => { validate(requestOf(name) as never) }, `${name} accepts the request that is shown`)
    for (const code of errorsOf(name)) t.ok(Object.hasOwn(ErrorCode, code), `${name}: ${code}`)
  }
})

t.test('an operation names the code with which it refuses a name that nothing has', async t => {
  const clients = new ExampleClients(t)
  await (await clients.get('open')).next()
  for (const { name, request } of operations.values()) {
    const field = names.find(candidate => Object.hasOwn(request.properties, candidate))
    if (field === undefined || takesAnyName.has(name)) continue
    const client = await clients.get(name.startsWith('identity.') ? 'admin' : 'open')
    const code = await client.code(name, { ...requestOf(name), [field]: 'nothing-of-this-name' })
    t.ok(errorsOf(name).includes(code), `${name} names ${code}`)
  }
})

t.test('the contents of PROTOCOL.md have each heading, in its order', async t => {
  const [contents = ''] = protocol.split('\n## ')
  const listed = [...contents.matchAll(/\]\(#([\w-]+)\)/g)].map(([, anchor]) => anchor)
  const headings = [...sections.keys()].filter(heading => heading !== '' && heading !== 'Protocol')
  t.same(listed.slice(1), headings.map(anchorOf), 'after the link in the first paragraph')
  t.equal(new Set(listed.slice(1)).size, headings.length, 'no two have one anchor')
})

t.test('each block of JSON in PROTOCOL.md that is no exchange is JSON', async t => {
  const rest = protocol.replace(/<!-- exchange: .+ -->\n```json\n[^]*?\n```/g, '')
  const blocks = [...rest.matchAll(/```json\n([^]*?)\n```/g)]
  t.ok(blocks.length > 0, 'there are some')
  for (const [, block = ''] of blocks) t.doesNotThrow(() => { JSON.parse(block) }, block)
})
