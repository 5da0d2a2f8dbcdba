import { button, el, field, verbatim } from '../dom.js'
import { ask } from '../dialogs.js'
import { number, text, time } from '../format.js'
import { createFrame, search, section } from '../frame.js'
import type { Context, Page, View } from '../page.js'
import { debounced, poll } from '../poll.js'
import { createTable } from '../table.js'
import { openAccount, type AccountRow } from './account.js'

/** Time between two looks, in milliseconds. */
const EVERY_MS = 10_000
/** Accounts of one answer, and answers that are asked for. */
const PAGE = 200
const MAX_PAGES = 50

interface Role {
  readonly id: string
  readonly name: string
  readonly description?: string | null
  readonly permissions: readonly unknown[]
  readonly system: boolean
}

/** The accounts of the server: users, roles and sessions. */
export const accounts: Page = {
  name: 'accounts',
  title: 'Accounts',
  open: (context, place) => place[0] === undefined ? openList(context) : openAccount(context, place[0])
}

function openList (context: Context): View {
  const { client, go } = context
  let users: readonly AccountRow[] = []
  const filter = search('Name or id', debounced(150, () => { show() }))
  const summary = el('p', { class: 'quiet', role: 'status' })
  const table = createTable<AccountRow>({
    label: 'Accounts',
    columns: [
      { label: 'User name', text: row => row.username, order: row => row.username },
      {
        label: 'Name',
        text: row => text(row.displayName),
        order: row => text(row.displayName),
        isMinor: true
      },
      { label: 'E-mail', text: row => text(row.email), isMinor: true },
      {
        label: 'State',
        text: row => row.enabled ? 'enabled' : 'disabled',
        order: row => row.enabled ? 'enabled' : 'disabled',
        tone: row => row.enabled ? 'good' : 'warn',
        width: '6rem'
      },
      {
        label: 'Since',
        text: row => time(row._createdAt),
        order: row => row._createdAt,
        isNumber: true,
        isMinor: true
      }
    ],
    keyOf: row => row.id,
    onOpen: row => { go('accounts', row.id) },
    empty: 'Loading…'
  })
  const roles = createTable<Role>({
    label: 'Roles',
    columns: [
      { label: 'Role', text: role => role.name, order: role => role.name, width: '10rem' },
      { label: 'Description', text: role => text(role.description), isMinor: true },
      { label: 'Rights', text: role => JSON.stringify(role.permissions) },
      { label: 'Kind', text: role => role.system ? 'built in' : 'own', width: '6rem' }
    ],
    keyOf: role => role.id,
    empty: 'There are no roles.'
  })
  const add = button('New account…', () => {
    newAccount(context, () => { asked.now() })
  }, { class: 'primary' })
  const frame = createFrame('Accounts', 'The accounts', [add],
    el('div', { class: 'filters' }, filter), summary, table.node, section('Roles', roles.node))
  const show = (): void => {
    const needle = filter.value.trim().toLowerCase()
    const fits = ({ id, username, displayName, email }: AccountRow): boolean =>
      [id, username, displayName, email].some(name => name?.toLowerCase().includes(needle))
    if (needle === '') table.show(users, 'There are no accounts.')
    else table.show(users.filter(fits), 'No account fits.')
  }
  const asked = poll(client, EVERY_MS, async () => {
    const found: AccountRow[] = []
    let total = 0
    for (let page = 1; page <= MAX_PAGES; page++) {
      const answer = await client.request<{ readonly users: readonly AccountRow[], readonly total: number }>(
        'identity.listUsers', { page, pageSize: PAGE })
      found.push(...answer.users)
      total = answer.total
      if (answer.users.length < PAGE) break
    }
    users = found
    frame.recover()
    summary.textContent = users.length < total ? `The first ${number(users.length)} of ${number(total)}.` : ''
    show()
    const list = await client.request<{ readonly roles: readonly Role[] }>('identity.listRoles')
    roles.show(list.roles)
  }, frame.fail)
  return { node: frame.node, close: asked.stop }
}

function newAccount ({ client, notify, go }: Context, onDone: () => void): void {
  const username = el('input', {
    required: true, minlength: 3, maxlength: 64, autocomplete: 'off', ...verbatim
  })
  const password = el('input', { type: 'password', required: true, autocomplete: 'new-password' })
  const displayName = el('input', { maxlength: 200 })
  const email = el('input', { type: 'email', maxlength: 320 })
  ask({
    title: 'New account',
    content: [
      field('User name', username), field('Password', password),
      field('Name', displayName), field('E-mail', email)
    ],
    action: 'Create',
    onAction: async () => {
      const { id } = await client.request<AccountRow>('identity.createUser', {
        username: username.value,
        password: password.value,
        ...(displayName.value !== '' && { displayName: displayName.value }),
        ...(email.value !== '' && { email: email.value })
      })
      notify(`${username.value} has been created.`)
      onDone()
      go('accounts', id)
    }
  })
}
