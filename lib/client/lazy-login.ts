import { NoexClientError } from './errors.js'
import type { Login, LoginHost } from './login.js'
import { messageOf } from './report.js'
import type { ConnectionSettings } from './settings.js'

/** Loads the code of logins: where there will be one, already while the client connects. */
export async function loadLogin (): Promise<typeof import('./login.js')> {
  return await import('./login.js')
}

/** Does what `logIn` does, once its code is loaded; where that fails, the login has failed for this time. */
export function logIn (settings: ConnectionSettings, host: LoginHost): Login {
  let login: Login | undefined
  let isOver = false
  loadLogin().then(code => { if (!isOver) login = code.logIn(settings, host) }, error => {
    if (!isOver) host.onFailed({ error: new NoexClientError('LOGIN_FAILED', messageOf(error)) })
  })
  return {
    doubt: () => { login?.doubt() },
    stop: () => {
      isOver = true
      login?.stop()
    }
  }
}
