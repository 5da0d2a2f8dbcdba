import { button, el, field, fill, setText } from '../dom.js'
import { number, person, text, time, value } from '../format.js'
import { createFrame, jsonBlock, search, choice } from '../frame.js'
import type { Context, Page, View } from '../page.js'
import { debounced, poll } from '../poll.js'
import { createTable } from '../table.js'

/** Entries that are asked for at once. */
const LIMIT = 1_000
/** Time between two looks while the trail is followed, in milliseconds. */
const EVERY_MS = 3_000

/** Operations that a console asks for again and again while it is open. */
const looks = /^(server\.(stats|queries|connections?|refusals)|audit\.query)$/

interface Entry {
  readonly timestamp: number
  readonly userId: string | null
  readonly userName?: string | null
  readonly sessionId: string | null
  readonly operation: string
  readonly resource: string
  readonly result: 'success' | 'error'
  readonly error?: string
  readonly details?: unknown
  readonly remoteAddress: string
}

/** The audit trail: who has done what. */
export const audit: Page = { name: 'audit', title: 'Audit', open }

function open ({ client }: Context): View {
  const change = debounced(300, () => { asked.now() })
  const user = search('User name or id', change)
  const operation = search('Operation', change)
  const results = [['', 'All results'], ['success', 'Done'], ['error', 'Refused or failed']] as const
  const result = choice('Result', results, change)
  const from = el('input', { type: 'datetime-local', onchange: change })
  const to = el('input', { type: 'datetime-local', onchange: change })
  const withLooks = el('input', { type: 'checkbox', onchange: change })
  const follow = el('input', { type: 'checkbox', checked: true })
  const summary = el('p', { class: 'quiet', role: 'status' })
  const detail = el('aside', { class: 'card detail', 'aria-label': 'Entry' })
  detail.hidden = true
  const table = createTable<Entry>({
    label: 'Audit entries',
    columns: [
      { label: 'Time', text: entry => time(entry.timestamp), width: '7rem' },
      { label: 'User', text: entry => text(person(entry)), width: '9rem' },
      { label: 'Operation', text: entry => entry.operation, width: '12rem' },
      { label: 'Resource', text: entry => entry.resource, isMinor: true },
      {
        label: 'Result',
        text: entry => entry.error ?? 'done',
        tone: entry => entry.result === 'error' ? 'bad' : 'good'
      },
      { label: 'Address', text: entry => text(entry.remoteAddress), isMinor: true, width: '9rem' }
    ],
    keyOf: entry => keys.get(entry) ?? '',
    onOpen: entry => {
      detail.hidden = false
      fill(detail, el('div', { class: 'head' }, el('h2', {}, entry.operation),
        button('Close', () => { detail.hidden = true })), jsonBlock(entry, 'Entry'))
      detail.querySelector('button')?.focus()
    },
    empty: 'Loading…'
  })
  const frame = createFrame('Audit', 'The audit trail', [el('label', { class: 'check' }, follow, 'Follow')],
    el('div', { class: 'filters' }, user, operation, result,
      field('From', from), field('To', to),
      el('label', { class: 'check' }, withLooks, 'Looks of consoles')),
    summary, detail, table.node,
    el('p', { class: 'quiet' }, 'These are the newest entries since the server has started. The sinks of ' +
      'the trail have all: npx fastify-noex audit query <file>. Whether the trail is complete and ' +
      'unchanged is found out on the host of its files: npx fastify-noex audit verify <file>.'))

  const keys = new WeakMap<Entry, string>()
  let asking = ''
  const asked = poll(client, EVERY_MS, async () => {
    const filter = {
      ...(user.value !== '' && { user: user.value.trim() }),
      ...(operation.value !== '' && { operation: operation.value.trim() }),
      ...(result.value !== '' && { result: result.value }),
      ...(from.value !== '' && { from: Date.parse(from.value) }),
      ...(to.value !== '' && { to: Date.parse(to.value) })
    }
    const wanted = JSON.stringify([filter, withLooks.checked])
    if (wanted === asking && !follow.checked) return
    asking = wanted
    const { entries: all } = await client.request<{ readonly entries: readonly Entry[] }>('audit.query', {
      ...filter, limit: LIMIT
    })
    frame.recover()
    const entries = all.filter(({ operation: name, result: outcome }) =>
      withLooks.checked || operation.value !== '' || outcome === 'error' || !looks.test(name))
    nameEntries(entries, keys)
    table.show(entries, 'No entry since the start of the server fits.')
    setText(summary, all.length < LIMIT
      ? ''
      : `Of the newest ${number(LIMIT)}; the sinks of the trail have all.`)
  }, frame.fail)
  return { node: frame.node, close: asked.stop }
}

/** Gives each entry a key: entries have none, and several may be alike. */
function nameEntries (entries: readonly Entry[], keys: WeakMap<Entry, string>): void {
  const seen = new Map<string, number>()
  // From the oldest, so that an entry keeps its key when newer ones come.
  for (const entry of [...entries].reverse()) {
    const name = value([entry.timestamp, entry.sessionId, entry.operation, entry.resource], 400)
    const count = seen.get(name) ?? 0
    seen.set(name, count + 1)
    keys.set(entry, `${name} ${count}`)
  }
}
