import { button, el, fill } from './dom.js'
import { explain } from './problem.js'
import { showLogin } from './login-form.js'
import { openSession, readSettings, type LoginFields } from './session.js'
import { showShell } from './shell.js'

const settings = readSettings(document.body)
const host = document.getElementById('console') ?? document.body
let leave = (): void => {}

/** Shows the console, or the reason why there is none. */
async function enter (fields?: LoginFields): Promise<void> {
  const session = await openSession(settings, fields)
  leave = showShell(host, session, { settings, onLogin: askForLogin })
}

function askForLogin (reason?: string): void {
  leave()
  leave = () => {}
  showLogin(host, settings, enter, reason)
}

/** Enters without a login; where that fails, says why. */
async function start (): Promise<void> {
  await enter().catch((error: unknown) => {
    fill(host, el('main', { class: 'login-page' }, el('div', { class: 'card stack' },
      el('h1', {}, settings.name),
      el('p', { class: 'problem', role: 'alert' }, explain(error, 'The console')),
      el('p', { class: 'quiet' }, 'A server refuses pages of origins that it does not allow, and users ' +
        'that its gateway does not name.'),
      button('Try again', start, { class: 'primary' }))))
  })
}

if (settings.login === 'accounts' || settings.login === 'token') askForLogin()
else start()
