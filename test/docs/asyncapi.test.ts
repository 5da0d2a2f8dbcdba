import specs from '@asyncapi/specs'
import { Ajv } from 'ajv-8'
import t from 'tap'
import { closeReasons, ErrorCode } from '../../lib/index.js'
import { operations } from '../../lib/operations/registry.js'
import { readDocument } from '../support/documents.js'

interface Reference { readonly $ref: string }

interface AsyncApiOperation {
  readonly action: string
  readonly messages: readonly Reference[]
  readonly reply?: { readonly messages: readonly Reference[] }
  readonly 'x-errors'?: readonly string[]
}

interface Code { readonly code: string | number, readonly description?: string }

interface AsyncApi {
  readonly channels: {
    readonly socket: {
      readonly messages: Readonly<Record<string, Reference>>
      readonly 'x-close-codes': readonly Code[]
    }
  }
  readonly operations: Readonly<Record<string, AsyncApiOperation>>
  readonly components: {
    readonly messages: { readonly error: { readonly 'x-codes': readonly Code[] } }
  }
}

const text = readDocument('docs/asyncapi.json')
const document = JSON.parse(text) as AsyncApi

/** Checks a document by the official schema of AsyncAPI 3.0, which is in draft 7. */
const isAsyncApi = new Ajv({ strict: false, validateFormats: false })
  .compile(specs.schemasWithoutId['3.0.0'] as object)

/** Returns the part of the document at a reference within it; `undefined` where there is none. */
function partAt (reference: string): unknown {
  return reference.replace('#/', '').split('/').reduce<unknown>(
    (part, name) => (part as Record<string, unknown> | undefined)?.[name], document
  )
}

t.test('docs/asyncapi.json is AsyncAPI 3.0', async t => {
  t.ok(isAsyncApi(document), JSON.stringify(isAsyncApi.errors?.slice(0, 3)))
  const broken = { action: 'fly', channel: { $ref: '#/channels/socket' } }
  const wrong = { ...document, operations: { broken } }
  t.notOk(isAsyncApi(wrong), 'the schema refuses an action that there is not')
})

t.test('each of its references leads to a part of it', async t => {
  const references = [...text.matchAll(/"\$ref":\s?"([^"]+)"/g)].map(([, reference = '']) => reference)
  t.ok(references.length > operations.size * 4, `${references.length} references`)
  const lost = references.filter(reference => !reference.startsWith('#/') || partAt(reference) === undefined)
  t.same(lost, [])
})

t.test('it has each operation, with its request, its result and its errors', async t => {
  const messagesOf = (list: readonly Reference[]): string[] => list.map(({ $ref }) => $ref)
  const message = (name: string): string => `#/channels/socket/messages/${name}`
  for (const { name, errors } of operations.values()) {
    const described = document.operations[name]
    t.equal(described?.action, 'receive', name)
    t.same(messagesOf(described?.messages ?? []), [message(`${name}.request`)])
    t.same(messagesOf(described?.reply?.messages ?? []), [message(`${name}.result`), message('error')])
    t.same(described?.['x-errors'], errors ?? [])
  }
  const sent = Object.values(document.operations).filter(({ action }) => action === 'send')
  t.same(sent.flatMap(({ messages }) => messagesOf(messages)),
    ['welcome', 'push', 'system', 'ping'].map(message), 'and what the server sends by itself')
})

t.test('it has each error code and each close code, and says what it means', async t => {
  const codes = document.components.messages.error['x-codes']
  t.same(codes.map(({ code }) => code), Object.keys(ErrorCode))
  const closes = document.channels.socket['x-close-codes']
  t.same(closes.map(({ code }) => code), Object.values(closeReasons).map(({ code }) => code))
  for (const { code, description = '' } of [...codes, ...closes]) t.match(description, /\.$/, String(code))
})
