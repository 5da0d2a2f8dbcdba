import { el, field, fill, setText, verbatim } from './dom.js'
import { explain } from './problem.js'
import type { LoginFields, Settings } from './session.js'

/** Shows the form of a login in `host`. `logIn` shows the console, and rejects with what prevents that. */
export function showLogin (
  host: HTMLElement, { login, name }: Settings, logIn: (fields: LoginFields) => Promise<void>, reason?: string
): void {
  const message = el('p', { class: 'problem', role: 'alert' }, reason)
  message.hidden = reason === undefined
  const username = el('input', { autocomplete: 'username', required: true, ...verbatim })
  const password = el('input', { type: 'password', autocomplete: 'current-password', required: true })
  const secret = el('input', { type: 'password', autocomplete: 'off', required: true })
  const submit = el('button', { type: 'submit', class: 'primary' }, 'Log in')
  const inputs = el('div', { class: 'stack' })
  let withSecret = login !== 'accounts'

  const showFields = (): void => {
    if (withSecret) fill(inputs, field(login === 'accounts' ? 'Admin secret' : 'Token', secret, hint(login)))
    else fill(inputs, field('User name', username), field('Password', password))
  }
  const toggle = el('button', { type: 'button', class: 'plain' })
  const showToggle = (): void => {
    setText(toggle, withSecret ? 'Use a name and a password' : 'Use the admin secret')
  }
  toggle.hidden = login !== 'accounts'
  toggle.addEventListener('click', () => {
    withSecret = !withSecret
    showFields()
    showToggle()
    inputs.querySelector('input')?.focus()
  })

  const fields = (): LoginFields => {
    if (!withSecret) return { username: username.value, password: password.value }
    return login === 'accounts' ? { secret: secret.value } : { token: secret.value.trim() }
  }
  const form = el('form', {
    class: 'login card',
    'aria-label': 'Log in',
    onsubmit (event: SubmitEvent) {
      event.preventDefault()
      submit.disabled = true
      message.hidden = true
      logIn(fields()).catch((error: unknown) => {
        message.hidden = false
        setText(message, explain(error, 'The console'))
        submit.disabled = false
        inputs.querySelector('input')?.focus()
      })
    }
  }, el('h1', {}, name), el('p', { class: 'quiet' }, 'Log in to look after this server.'),
  message, inputs, el('div', { class: 'row' }, submit, toggle))
  showFields()
  showToggle()
  fill(host, el('main', { class: 'login-page' }, form))
  inputs.querySelector('input')?.focus()
}

function hint (login: Settings['login']): string {
  return login === 'accounts'
    ? 'The option auth.adminSecret of the server: it logs in the superadmin.'
    : 'It is kept in the memory of this page alone.'
}
