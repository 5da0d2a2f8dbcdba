import { createHash } from 'node:crypto'
import { SharingText, type SharedJson } from './shared-json.js'

/** The ends of a page, as pushes and replies carry them. */
interface PageMembers {
  readonly hasMore: boolean
  readonly nextCursor: string | null
}

/** The members that a push or a reply with deltas has beside its `data` or `delta`. */
export interface LiveHead {
  readonly revision: number
  /** Text that names the history of the result; present with a complete result, as is `key`. */
  readonly epoch?: string
  /** The key field; `null` where the result is no list of records with keys. */
  readonly key?: string | null
  /** The bucket whose key that is; `null` where it is none, or one of several. Present in a reply. */
  readonly bucket?: string | null
  readonly page?: PageMembers | undefined
}

/** Encodes a push of a live query; `data` is the JSON of the complete new result. */
export function encodePush (subscriptionId: string, data: string): string {
  return `${pushStart(subscriptionId)},"data":${data}}`
}

/**
 * Encodes a push with a delta or a complete result, whose JSON is `body`. `more`: another one of the same
 * moment follows.
 */
export function encodeDeltaPush (
  subscriptionId: string, head: LiveHead, body: LiveBody, more: boolean
): string {
  return `${pushStart(subscriptionId)}${headText(head)},${bodyText(body)}${more ? ',"more":true}' : '}'}`
}

/** The JSON of a complete result, or of what makes the former one the present one. */
export type LiveBody = { readonly data: string } | { readonly delta: string }

/**
 * Encodes the data of the reply to a subscription: `subscriptionId` is `undefined` where nothing is pushed,
 * `head` without deltas; `body` is the complete result, or the JSON of a delta.
 */
export function encodeLiveReply (
  subscriptionId: string | undefined, head: LiveHead | undefined, body: SharedJson | string
): SharingText | string {
  const id = subscriptionId === undefined ? '' : `"subscriptionId":${JSON.stringify(subscriptionId)},`
  const start = `{${id}${head === undefined ? '' : `${headText(head).slice(1)},`}`
  return typeof body === 'string'
    ? `${start}"delta":${body}}`
    : new SharingText(`${start}"data":`, body, '}')
}

function pushStart (subscriptionId: string): string {
  return `{"type":"push","channel":"subscription","subscriptionId":${JSON.stringify(subscriptionId)}`
}

function headText ({ epoch, key, bucket, revision, page }: LiveHead): string {
  const history = epoch === undefined ? '' : `,"epoch":${JSON.stringify(epoch)}`
  const keyed = key === undefined ? '' : `,"key":${JSON.stringify(key)}`
  const origin = bucket === undefined ? '' : `,"bucket":${JSON.stringify(bucket)}`
  const ends = page && `,"hasMore":${page.hasMore},"nextCursor":${JSON.stringify(page.nextCursor)}`
  return `${history},"revision":${revision}${keyed}${origin}${ends ?? ''}`
}

function bodyText (body: LiveBody): string {
  return 'data' in body ? `"data":${body.data}` : `"delta":${body.delta}`
}

/**
 * Returns the epoch of a result: the text that names the history of the store, and a digest of what the
 * result depends on besides: the query, its parameters and the records that the client may read. A client
 * that comes back with another one gets the complete result.
 */
export function epochOf (history: string, identity: string): string {
  return `${history}.${createHash('sha256').update(identity).digest('base64url').slice(0, 16)}`
}

/** A member before the result or the change: its JSON is a text, a number or a literal. */
const MEMBER = /"(\w+)":(?:("(?:[^"\\]|\\.)*"|-?\d+|null|true|false),)?/y

/** The beginning of the reply to a subscription, or of a push to it. */
const LIVE_START = /^\{(?:"id":\d+,"type":"result","data":\{|"type":"push","channel":"subscription",)/

/** The beginning of a message to a subscription that takes deltas: all before its result or change. */
export interface LiveStart {
  /** Whether a change follows, and not a complete result. */
  readonly isDelta: boolean
  /** JSON of the members, by name. */
  readonly members: ReadonlyMap<string, string>
  /** Where the result or change begins. It goes on up to the braces that close the message. */
  readonly bodyAt: number
}

/**
 * Reads the beginning of a message that `encodeDeltaPush` or `encodeLiveReply` has made, so that what follows
 * need not be parsed. Returns `undefined` for any other message.
 */
export function readLiveStart (text: string): LiveStart | undefined {
  const start = LIVE_START.exec(text)
  if (start === null) return undefined
  const members = new Map<string, string>()
  for (let at = start[0].length; ; at = MEMBER.lastIndex) {
    MEMBER.lastIndex = at
    const [, name, value] = MEMBER.exec(text) ?? []
    if (name === 'data' || name === 'delta') {
      return { isDelta: name === 'delta', members, bodyAt: at + name.length + '"":'.length }
    }
    if (name === undefined || value === undefined) return undefined
    members.set(name, value)
  }
}
