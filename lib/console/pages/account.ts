import { button, el, field, fill, link } from '../dom.js'
import { ask, confirm } from '../dialogs.js'
import { text, time } from '../format.js'
import { choice, createFrame, section } from '../frame.js'
import type { Context, View } from '../page.js'
import { poll } from '../poll.js'
import { facts } from '../table.js'
import { revokeUser } from './connection.js'

/** Time between two looks, in milliseconds. */
const EVERY_MS = 5_000

/** An account, as lists have it. */
export interface AccountRow {
  readonly id: string
  readonly username: string
  readonly enabled: boolean
  readonly displayName?: string | null
  readonly email?: string | null
  readonly _createdAt: number
  readonly _updatedAt: number
}

interface RoleList {
  readonly roles: ReadonlyArray<{ readonly name: string }>
}

/** Shows one account: its roles; enables and disables it, resets its password, ends its sessions. */
export function openAccount (context: Context, userId: string): View {
  const { client, notify } = context
  const about = facts('Account')
  const roles = el('ul', { class: 'chips', 'aria-label': 'Roles' })
  let account: AccountRow | undefined
  let shownRoles = ''

  const act = async (operation: string, members: object, done: string): Promise<void> => {
    await client.request(operation, { userId, ...members })
    notify(done)
    asked.now()
  }
  const nameOf = (): string => account?.username ?? userId
  const toggle = button('Disable…', () => {
    if (account?.enabled === false) {
      act('identity.enableUser', {}, `${nameOf()} is enabled.`).catch(frame.fail)
      return
    }
    const effect = 'All sessions of the account end, and it cannot log in until it is enabled.'
    confirm(`Disable ${nameOf()}?`, effect, 'Disable', async () => {
      await act('identity.disableUser', {}, `${nameOf()} is disabled.`)
    })
  })
  const reset = button('Reset password…', () => {
    const password = el('input', { type: 'password', required: true, autocomplete: 'new-password' })
    ask({
      title: `New password for ${nameOf()}`,
      content: [el('p', {}, 'All of its sessions end.'), field('New password', password)],
      action: 'Reset',
      onAction: async () => {
        const newPassword = password.value
        await act('identity.resetPassword', { newPassword }, `The password of ${nameOf()} is a new one.`)
      }
    })
  })
  const revoke = button('End sessions…', () => { revokeUser(context, userId, nameOf()) }, { class: 'danger' })
  const letIn = button('Let in again', () => {
    act('identity.enableUser', {}, `${nameOf()} may log in.`).catch(frame.fail)
  })
  const frame = createFrame('Account', 'This account', [toggle, reset, revoke, letIn],
    el('p', { class: 'row' }, link(['accounts'], {}, '← All accounts'),
      link(['connections', 'user', userId], {}, 'Its connections')), about.node,
    section('Roles', roles, createRoleForm(context, async roleName => {
      await act('identity.assignRole', { roleName }, `${nameOf()} has the role ${roleName}.`)
    }, error => { frame.fail(error, 'This role') })))

  const asked = poll(client, EVERY_MS, async () => {
    account = await client.request<AccountRow>('identity.getUser', { userId })
    const { roles: list } = await client.request<RoleList>('identity.getUserRoles', { userId })
    frame.recover()
    toggle.textContent = account.enabled ? 'Disable…' : 'Enable'
    about.show({
      'User name': account.username,
      Id: account.id,
      Name: text(account.displayName),
      'E-mail': text(account.email),
      State: account.enabled ? 'enabled' : 'disabled',
      Created: time(account._createdAt),
      Changed: time(account._updatedAt)
    })
    // As long as they are the same, the focus stays on one of them.
    if (JSON.stringify(list) === shownRoles) return
    shownRoles = JSON.stringify(list)
    fill(roles, ...list.map(({ name }) => el('li', {}, name, button('Remove', async () => {
      await act('identity.removeRole', { roleName: name }, `${nameOf()} has not the role ${name} any more.`)
        .catch((error: unknown) => { frame.fail(error, 'This role') })
    }, { class: 'plain', 'aria-label': `Remove the role ${name}` }))),
    list.length === 0 && el('li', { class: 'quiet' }, 'none'))
  }, frame.fail)
  return { node: frame.node, close: asked.stop }
}

/** Makes the choice of a role to give. */
function createRoleForm (
  { client }: Context, give: (roleName: string) => Promise<void>, onError: (error: unknown) => void
): HTMLElement {
  const select = choice('Role', [], () => {})
  client.request<RoleList>('identity.listRoles').then(({ roles }) => {
    fill(select, ...roles.map(({ name }) => el('option', { value: name }, name)))
  }, onError)
  return el('form', {
    class: 'row',
    onsubmit (event: SubmitEvent) {
      event.preventDefault()
      give(select.value).catch(onError)
    }
  }, select, el('button', { type: 'submit' }, 'Give this role'))
}
