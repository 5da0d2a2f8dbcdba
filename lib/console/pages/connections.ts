import { el } from '../dom.js'
import { ago, bytes, number, person, rate, text } from '../format.js'
import { createFrame, search } from '../frame.js'
import type { Context, Page, View } from '../page.js'
import { debounced, poll } from '../poll.js'
import { createTable } from '../table.js'
import type { ConnectionRow } from '../wire.js'
import { openConnection } from './connection.js'

/** Connections that the server lists in one answer, and most that are asked for. */
const PAGE = 1_000
const MAX_ROWS = 20_000

/** Time between two looks, in milliseconds: of a list that comes in one answer, and of a longer one. */
const EVERY_MS = 5_000
const LONG_MS = 30_000

interface ConnectionPage {
  readonly connections: readonly ConnectionRow[]
  readonly more: boolean
  readonly total: number
}

interface Row extends ConnectionRow {
  readonly perSecond: number
}

/** Who is connected, from where and what for. */
export const connections: Page = {
  name: 'connections',
  title: 'Connections',
  open: (context, [name, value = '']) => name === undefined || name === 'query' || name === 'user'
    ? openList(context, name === 'query' ? { query: value } : { user: value })
    : openConnection(context, name)
}

function openList (
  { client, go }: Context, given: { readonly query?: string, readonly user?: string }
): View {
  const change = debounced(300, () => { asked.now() })
  const user = search('User', change, given.user)
  const address = search('Address', change)
  const query = search('Live query', change, given.query)
  const summary = el('p', { class: 'quiet', role: 'status' })
  const table = createTable<Row>({
    label: 'Connections',
    columns: [
      { label: 'Connection', text: row => row.connectionId, order: row => row.connectedAt, width: '9rem' },
      { label: 'User', text: row => nameOf(row), order: row => nameOf(row) },
      { label: 'Address', text: row => row.remoteAddress, order: row => row.remoteAddress, isMinor: true },
      { label: 'Roles', text: row => text(row.roles.join(', ')), isMinor: true },
      {
        label: 'Req/s',
        text: row => rate(row.perSecond),
        order: row => row.perSecond,
        isNumber: true,
        width: '6rem'
      },
      {
        label: 'Requests',
        text: row => number(row.requests),
        order: row => row.requests ?? 0,
        isNumber: true,
        isMinor: true
      },
      {
        label: 'Queued',
        text: row => bytes(row.bytesQueued),
        order: row => row.bytesQueued ?? 0,
        isNumber: true,
        tone: row => (row.bytesQueued ?? 0) > 1_000_000 ? 'bad' : undefined
      },
      {
        label: 'Subscriptions',
        text: row => number(subscriptionsOf(row)),
        order: subscriptionsOf,
        isNumber: true,
        isMinor: true
      },
      {
        label: 'Since',
        text: row => ago(row.connectedAt),
        order: row => -row.connectedAt,
        isNumber: true,
        isMinor: true
      }
    ],
    keyOf: row => row.connectionId,
    onOpen: row => { go('connections', row.connectionId) },
    empty: 'Loading…',
    orderBy: 4
  })
  const frame = createFrame('Connections', 'The list of connections', [],
    el('div', { class: 'filters' }, user, address, query), summary, table.node)

  let before = new Map<string, number>()
  let beforeAt = 0
  let everyMs = EVERY_MS
  let nextAt = 0
  const load = async (): Promise<void> => {
    const filter = {
      ...(user.value !== '' && { user: user.value }),
      ...(address.value !== '' && { address: address.value }),
      ...(query.value !== '' && { query: query.value })
    }
    const rows: ConnectionRow[] = []
    let page: ConnectionPage
    do {
      page = await client.request<ConnectionPage>('server.connections', {
        ...filter, limit: PAGE, after: rows.at(-1)?.connectionId
      })
      rows.push(...page.connections)
    } while (page.more && page.connections.length > 0 && rows.length < MAX_ROWS)
    everyMs = rows.length > PAGE ? LONG_MS : EVERY_MS
    const at = Date.now()
    const seconds = (at - beforeAt) / 1_000
    table.show(rows.map(row => withRate(row, before.get(row.connectionId), seconds, at)),
      Object.keys(filter).length > 0 ? 'No connection fits.' : 'There is no connection.')
    before = new Map(rows.map(({ connectionId, requests = 0 }) => [connectionId, requests]))
    beforeAt = at
    summary.textContent = rows.length < page.total
      ? `The first ${number(rows.length)} of ${number(page.total)}: filter to see the others.`
      : ''
    frame.recover()
  }
  let key = ''
  const asked = poll(client, 1_000, async () => {
    const changed = `${user.value}\n${address.value}\n${query.value}`
    if (changed === key && Date.now() < nextAt) return
    key = changed
    await load()
    nextAt = Date.now() + everyMs
  }, frame.fail)
  return { node: frame.node, close: asked.stop }
}

/** Adds the requests per second since the last look, and before that since the connection was made. */
function withRate (row: ConnectionRow, before: number | undefined, seconds: number, now: number): Row {
  const { requests = 0, connectedAt } = row
  const isKnown = before !== undefined && seconds > 0
  const perSecond = isKnown
    ? (requests - before) / seconds
    : requests / Math.max(1, (now - connectedAt) / 1_000)
  return { ...row, perSecond: Math.max(0, perSecond) }
}

function nameOf (row: ConnectionRow): string {
  return person(row) ?? (row.authenticated ? 'logged in' : 'not logged in')
}

function subscriptionsOf ({ storeSubscriptionCount, rulesSubscriptionCount }: ConnectionRow): number {
  return storeSubscriptionCount + rulesSubscriptionCount
}
