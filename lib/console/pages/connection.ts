import { button, el, field, link } from '../dom.js'
import { ask, confirm } from '../dialogs.js'
import { ago, bytes, NONE, number, person, rate, text, time } from '../format.js'
import { createFrame, section } from '../frame.js'
import type { Context, View } from '../page.js'
import { poll } from '../poll.js'
import { createTable, facts } from '../table.js'
import type { ConnectionDetails } from '../wire.js'
import { refusalTable } from './overview.js'

/** Time between two looks, in milliseconds. */
const EVERY_MS = 2_000

/** The answer of `server.revoke`. */
interface Revoked {
  readonly sessions: number
  readonly connections: number
}

type Subscription = ConnectionDetails['subscriptions'][number]

/** Shows one connection: what it watches, what waits for it, what it was refused; and ends it. */
export function openConnection (context: Context, connectionId: string): View {
  const { client, notify, go } = context
  const about = facts('Connection')
  const subscriptions = createTable<Subscription>({
    label: 'Subscriptions',
    columns: [
      {
        label: 'Of',
        text: subjectOf,
        order: subjectOf
      },
      { label: 'Kind', text: row => row.kind, order: row => row.kind, width: '7rem' },
      { label: 'Bucket', text: row => text(row.bucket), isMinor: true },
      { label: 'Since', text: row => ago(row.since), order: row => -row.since, isNumber: true, width: '8rem' }
    ],
    keyOf: row => row.subscriptionId,
    empty: 'It watches nothing.'
  })
  const refusals = refusalTable('Its last refusals', true)
  let shown: ConnectionDetails | undefined

  const close = button('Close connection…', () => {
    const reason = el('input', { maxlength: 100 })
    const effect = 'A client that reconnects by itself comes back: revoke its user to keep it out.'
    confirm('Close this connection?', effect, 'Close', async () => {
      await client.request('server.close', {
        connectionId, ...(reason.value !== '' && { reason: reason.value })
      })
      notify(`${connectionId} has been closed.`)
      go('connections')
    }, field('Reason', reason, 'It stands in the audit trail, and the client is told.'))
  }, { class: 'danger' })
  const revoke = button('Revoke user…', () => {
    if (shown?.userId !== null && shown?.userId !== undefined) {
      revokeUser(context, shown.userId, shown.userName ?? shown.userId)
    }
  }, { class: 'danger' })
  revoke.hidden = true
  const frame = createFrame(connectionId, 'This connection', [revoke, close],
    el('p', {}, link(['connections'], {}, '← All connections')), about.node,
    section('Subscriptions', subscriptions.node), section('Last refusals', refusals.node))
  const asked = poll(client, EVERY_MS, async () => {
    shown = await client.request<ConnectionDetails>('server.connection', { connectionId })
    frame.recover()
    about.show(factsOf(shown))
    subscriptions.show(shown.subscriptions)
    refusals.show(shown.refusals)
    revoke.hidden = shown.userId === null
  }, error => {
    frame.fail(error)
    if ((error as { readonly code?: string }).code === 'NOT_FOUND') {
      asked.stop()
      close.disabled = true
    }
  })
  return { node: frame.node, close: asked.stop }
}

/** Asks whether to end all sessions and connections of a user, and does it. */
export function revokeUser ({ client, notify }: Context, userId: string, name: string): void {
  const effect = 'All sessions of this user end and all connections are closed, now. The user cannot log ' +
    'in again for the time of revocation.blacklistTtlMs, an hour unless the server sets another. With ' +
    'accounts, "Let in again" on the page of the account ends that at once.'
  confirm(`Revoke ${name}?`, effect, 'Revoke', async () => {
    notify(`${name}: ${ended(await client.request<Revoked>('server.revoke', { userId }))}`)
  })
}

/** Asks for a role, and ends the sessions of all of its users. */
export function revokeRole ({ client, notify }: Context): void {
  const role = el('input', { required: true, maxlength: 200 })
  ask({
    title: 'Revoke a role',
    content: [
      el('p', {}, 'All sessions of its users end and their connections are closed, now.'), field('Role', role)
    ],
    action: 'Revoke',
    isDangerous: true,
    onAction: async () => {
      const { value } = role
      notify(`${value}: ${ended(await client.request<Revoked>('server.revoke', { role: value }))}`)
    }
  })
}

function subjectOf ({ query, topic, bucket }: Subscription): string {
  return query ?? topic ?? (bucket === undefined ? NONE : `find in ${bucket}`)
}

function ended ({ sessions, connections }: Revoked): string {
  return `${number(sessions)} sessions and ${number(connections)} connections have been ended.`
}

function factsOf (connection: ConnectionDetails): Record<string, string> {
  const { userId, authenticated, roles, remoteAddress, connectedAt, requests, queued } = connection
  return {
    User: person(connection) ?? (authenticated ? 'logged in' : 'not logged in'),
    'User id': text(userId),
    Roles: text(roles.join(', ')),
    Address: remoteAddress,
    Since: `${time(connectedAt)}, for ${ago(connectedAt)}`,
    Requests: number(requests),
    'Requests/s': rate(connection.requestsPerSecond),
    'To be sent': queued === undefined ? NONE : `${number(queued.frames)} messages, ${bytes(queued.bytes)}`,
    'To be handled': queued?.requests === undefined ? NONE : `${number(queued.requests)} requests`
  }
}
