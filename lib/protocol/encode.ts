import type { NoexServerError } from './errors.js'
import type { NoticeMessage } from './messages.js'
import { encodeInSlices, type MessageText } from './parts.js'

/** JSON text that is already final: an operation returns it where encoding once serves many readers. */
export class EncodedJson {
  readonly text: string
  /** Called when the reply has been handed to the outbox: what must not overtake the reply starts here. */
  readonly sent: (() => void) | undefined
  /** Called when an error is sent instead: takes back what the client never learns of. */
  readonly unsent: (() => void) | undefined

  constructor (text: string, sent?: () => void, unsent?: () => void) {
    this.text = text
    this.sent = sent
    this.unsent = unsent
  }
}

/** Encodes the `result` reply to request `id`. `undefined` is sent as `null`. */
export function encodeResult (id: number, data: unknown): string {
  return `${resultStart(id)}${encodeJson(data)}}`
}

/** Does the same in slices, for `data` that may be big. */
export async function encodeBigResult (id: number, data: unknown): Promise<MessageText> {
  return await encodeInSlices(resultStart(id), data, '}')
}

function resultStart (id: number): string {
  return `{"id":${JSON.stringify(id)},"type":"result","data":`
}

/** Encodes the `error` reply to request `id`. `details` is left out when `undefined`. */
export function encodeError (id: number, error: NoexServerError, exposeDetails: boolean): string {
  // retryAfterMs gives nothing away and clients need it, so hiding details spares it.
  const details = exposeDetails || error.code === 'RATE_LIMITED' ? error.details : undefined
  return JSON.stringify({ id, type: 'error', code: error.code, message: error.message, details })
}

/** Encodes a message that answers no request. */
export function encodeNotice (message: NoticeMessage): string {
  return JSON.stringify(message)
}

/** Encodes a push of a live query; `data` is the JSON of the complete new result. */
export function encodePush (subscriptionId: string, data: string): string {
  return `{"type":"push","channel":"subscription","subscriptionId":${JSON.stringify(subscriptionId)},"data":${data}}`
}

/** Encodes a push of a rule event; `event` is its JSON. */
export function encodeEventPush (subscriptionId: string, topic: string, event: string): string {
  return `{"type":"push","channel":"event","subscriptionId":${JSON.stringify(subscriptionId)},"data":{"topic":${JSON.stringify(topic)},"event":${event}}}`
}

/** Encodes a value, `undefined` as `null`. Throws a TypeError on what JSON cannot hold. */
export function encodeJson (data: unknown): string {
  return data instanceof EncodedJson ? data.text : JSON.stringify(data) ?? 'null'
}

const recordTexts = new WeakMap<object, string>()

/**
 * Encodes a query result. A record of the store is never changed, only replaced, so its text is kept
 * for as long as the record lives: a list of which one row changed costs one encoding.
 */
export function encodeQueryResult (result: unknown): string {
  if (!Array.isArray(result)) return isRecord(result) ? recordText(result) : encodeJson(result)
  let text = '['
  for (let i = 0; i < result.length; i++) {
    const item: unknown = result[i]
    if (i > 0) text += ','
    text += isRecord(item) ? recordText(item) : encodeJson(item)
  }
  return text + ']'
}

/**
 * Only what carries the store's own metadata is taken for a record: a query may return objects of its own and
 * change them.
 */
function isRecord (value: unknown): value is object {
  return typeof value === 'object' && value !== null &&
    typeof (value as Record<string, unknown>)['_version'] === 'number' &&
    typeof (value as Record<string, unknown>)['_updatedAt'] === 'number'
}

function recordText (record: object): string {
  let text = recordTexts.get(record)
  if (text === undefined) {
    text = JSON.stringify(record)
    recordTexts.set(record, text)
  }
  return text
}
