import { button, el, field, setText } from '../dom.js'
import { confirm } from '../dialogs.js'
import { duration, number } from '../format.js'
import { createFrame } from '../frame.js'
import type { Context, Page, View } from '../page.js'
import { poll } from '../poll.js'
import { facts } from '../table.js'
import type { Stats } from '../wire.js'
import { revokeRole } from './connection.js'

/** Time between two looks, in milliseconds. */
const EVERY_MS = 2_000

/** Takes the server out of service: load balancers and clients are told to go elsewhere. */
export const drain: Page = { name: 'drain', title: 'Drain', open }

function open (context: Context): View {
  const { client, notify } = context
  const about = facts('Server')
  const outcome = el('p', { class: 'tone', role: 'status' })
  outcome.hidden = true
  const start = button('Drain this server…', () => {
    const grace = el('input', { type: 'number', min: 0, max: 86_400, step: 1 })
    const text = 'It tells load balancers and clients to go elsewhere, closes all connections and takes no ' +
      'new ones. This cannot be taken back: to serve again, the process must be started anew.'
    confirm('Drain this server?', text, 'Drain', async () => {
      await client.request('server.drain', grace.value === '' ? {} : { graceMs: Number(grace.value) * 1_000 })
      outcome.hidden = false
      outcome.dataset['tone'] = 'warn'
      setText(outcome, 'The server drains. This console is one of its clients, and loses it too.')
      start.disabled = true
      notify('The drain has begun.')
    }, field('Time for clients to leave, in seconds', grace, 'Empty for what the server is configured with.'))
  }, { class: 'danger' })
  const frame = createFrame('Drain', 'The state of the server', [],
    el('p', {}, 'A drain is the end of a server’s life without a lost request: its readiness answers 503, ' +
      'clients are asked to leave, then they are closed, each with a pause of its own before it comes back.'),
    about.node, outcome, el('div', { class: 'row' }, start),
    el('h2', {}, 'Only some clients'),
    el('p', {}, 'A single connection is closed, and a user is revoked, on the page of the connection. All ' +
      'users of a role are revoked here.'),
    el('div', { class: 'row' }, button('Revoke a role…', () => { revokeRole(context) }, { class: 'danger' })))
  const asked = poll(client, EVERY_MS, async () => {
    const { name, uptimeMs, connections, durability } = await client.request<Stats>('server.stats')
    frame.recover()
    about.show({
      Name: name,
      'Up for': duration(uptimeMs),
      Connections: number(connections.active),
      'Written to disk': durability === undefined || durability === null
        ? 'no: in memory only'
        : durability.isUnavailable ? 'no: the disk takes no writes' : 'yes'
    })
  }, frame.fail)
  return { node: frame.node, close: asked.stop }
}
