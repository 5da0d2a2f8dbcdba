import type { RequestHeaders } from '../lib/protocol/session.js'
import type { QueryRequest } from '../lib/connection/query-stream.js'

/** A request for a stream, or for one live query; `problem` says why it is neither. */
export type EventRequest =
  | { readonly kind: 'stream' }
  | { readonly kind: 'query', readonly query: Pick<QueryRequest, 'members' | 'isDelta'> }
  | { readonly kind: 'bad', readonly problem: string }

/** The parameters of the path, each with the JSON of its value; `undefined` for a bad one. */
const parameters: Readonly<Record<string, (text: string) => string | undefined>> = {
  query: text => JSON.stringify(text),
  params: jsonOf,
  find: jsonOf,
  minIntervalMs: text => /^\d{1,9}$/.test(text) ? text : undefined,
  delta: text => ({ 0: 'false', 1: 'true', false: 'false', true: 'true' })[text]
}

/** Parameters in which others take tokens. */
const secrets: readonly string[] = ['token', 'access_token', 'jwt', 'authorization']

/** A position as the id of an event: the epoch, and the revision. */
const POSITION = /^([!-~]{1,16384}):(\d{1,15})$/

/** Reads a request to the path of events, by its URL and headers. */
export function eventRequest (url: string, headers: RequestHeaders): EventRequest {
  const members: Record<string, string> = {}
  for (const [name, text] of new URLSearchParams(/\?(.*)/.exec(url)?.[1] ?? '')) {
    if (secrets.includes(name.toLowerCase())) {
      return bad(name, 'would get into logs: a token belongs into the header Authorization, or on a stream ' +
        'into the message auth.login')
    }
    const read = Object.hasOwn(parameters, name) ? parameters[name] : undefined
    if (read === undefined) {
      return bad(name, `is not known: there are ${Object.keys(parameters).join(', ')}`)
    }
    if (members[name] !== undefined) return bad(name, 'is there more than once')
    const json = read(text)
    if (json === undefined) return bad(name, read === jsonOf ? 'is not JSON' : 'has a wrong value')
    members[name] = json
  }
  const names = Object.keys(members)
  if (names.length === 0) return { kind: 'stream' }
  if (!names.includes('query') && !names.includes('find')) {
    return bad(String(names[0]), 'needs "query" or "find"')
  }
  const { delta = 'false', ...rest } = members
  const since = sinceOf(headers['last-event-id'])
  return {
    kind: 'query',
    query: { isDelta: delta === 'true', members: { ...rest, ...(since !== undefined && { since }) } }
  }
}

function bad (name: string, problem: string): EventRequest {
  return { kind: 'bad', problem: `the parameter "${name.slice(0, 64)}" ${problem}` }
}

/** Returns a text that is one JSON value as it is, so that numbers stay exact. */
function jsonOf (text: string): string | undefined {
  try {
    JSON.parse(text)
    return text
  } catch {
    return undefined
  }
}

/** Returns the JSON of the position that a client comes back with; `undefined` for text of others. */
function sinceOf (header: string | string[] | undefined): string | undefined {
  const [, epoch, revision] = POSITION.exec(String(header)) ?? []
  return epoch === undefined ? undefined : JSON.stringify({ epoch, revision: Number(revision) })
}
