import type { NoexServerError } from './errors.js'
import type { NoticeMessage } from './messages.js'
import { isTurnOver, nextTurn } from '../util/slice.js'
import { encodeInSlices, type MessageText } from './parts.js'
import { SharingText } from './shared-json.js'

/** A reply that an operation has already encoded, for instance once for many receivers. */
export class EncodedJson {
  readonly json: string | SharingText
  /** Called when the reply is in the outbox. Pushes that must not overtake the reply begin here. */
  readonly sent: (() => void) | undefined
  /** Called when an error is sent instead. Undoes the effects of which the client does not learn. */
  readonly unsent: (() => void) | undefined

  constructor (json: string | SharingText, sent?: () => void, unsent?: () => void) {
    this.json = json
    this.sent = sent
    this.unsent = unsent
  }
}

/** Encodes the `result` reply to request `id`; `undefined` as `null`. `revision` is left out where absent. */
export function encodeResult (id: number, data: unknown, revision?: number): string | SharingText {
  if (data instanceof EncodedJson && data.json instanceof SharingText) {
    return data.json.between(resultStart(id), resultEnd(revision))
  }
  return `${resultStart(id)}${encodeJson(data)}${resultEnd(revision)}`
}

/** Encodes like `encodeResult`, and yields to other work in between: for `data` that may be big. */
export async function encodeBigResult (id: number, data: unknown, revision?: number): Promise<MessageText> {
  return await encodeInSlices(resultStart(id), data, resultEnd(revision))
}

/** `id` is finite: its text is its JSON. */
function resultStart (id: number): string {
  return `{"id":${id},"type":"result","data":`
}

function resultEnd (revision: number | undefined): string {
  return revision === undefined ? '}' : `,"revision":${revision}}`
}

/** Encodes the `error` reply to request `id`. `details` is omitted when `undefined`. */
export function encodeError (id: number, error: NoexServerError, exposeDetails: boolean): string {
  // retryAfterMs reveals no data, and clients need it.
  const details = exposeDetails || error.code === 'RATE_LIMITED' ? error.details : undefined
  return JSON.stringify({ id, type: 'error', code: error.code, message: error.message, details })
}

/** Encodes a message that answers no request. */
export function encodeNotice (message: NoticeMessage): string {
  return JSON.stringify(message)
}

/** Encodes a push of a rule event; `event` is its JSON. */
export function encodeEventPush (subscriptionId: string, topic: string, event: string): string {
  const data = `{"topic":${JSON.stringify(topic)},"event":${event}}`
  return `{"type":"push","channel":"event","subscriptionId":${JSON.stringify(subscriptionId)},"data":${data}}`
}

/** Encodes a value; `undefined` as `null`. @throws {TypeError} for values that JSON cannot hold */
export function encodeJson (data: unknown): string {
  return data instanceof EncodedJson ? String(data.json) : JSON.stringify(data) ?? 'null'
}

/** Items that are encoded between two looks at the clock. */
const STEP = 32

const recordTexts = new WeakMap<object, string>()

/**
 * Encodes a query result. A record of the store is never changed, only replaced, so its text is cached as
 * long as the record exists: when one row of a list changes, one record is encoded.
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

/** Encodes a list of many items, and yields to other work in between; it keeps no texts of records. */
export async function encodeListInSlices (items: readonly unknown[]): Promise<string> {
  const texts: string[] = []
  for (const [i, item] of items.entries()) {
    texts.push(encodeJson(item))
    if (i % STEP === 0 && isTurnOver()) await nextTurn()
  }
  return `[${texts.join(',')}]`
}

/** Returns whether a value is a record of the store: other objects of a query's result may change. */
export function isRecord (value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.isFrozen(value) &&
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
