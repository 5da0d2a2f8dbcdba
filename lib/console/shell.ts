import type { Client, ConnectionState } from '../client/index.js'
import { el, fill, hashOf, link, setAttribute, setText, button } from './dom.js'
import type { Context, Page, View } from './page.js'
import { pages } from './pages/index.js'
import { time } from './format.js'
import type { Session, Settings } from './session.js'

/** The owner of the shell, as it uses it. */
interface ShellOptions {
  readonly settings: Settings
  /** Shows the login, with a reason. */
  readonly onLogin: (reason?: string) => void
}

/** Shows the console in `host`: the frame around the pages, and the page that the address names. */
export function showShell (
  host: HTMLElement, session: Session, { settings, onLogin }: ShellOptions
): () => void {
  const { client, user } = session
  const status = el('span', { class: 'state', role: 'status' })
  const banner = el('p', { class: 'banner', role: 'alert' })
  const notices = el('div', { class: 'notices', role: 'status', 'aria-live': 'polite' })
  const main = el('main', { id: 'page', tabindex: -1 })
  const links = new Map(pages.map(page => [page.name, link([page.name], {}, page.title)]))
  const skip = el('button', { type: 'button', class: 'skip' }, 'Go to the content')
  skip.addEventListener('click', () => { main.focus() })
  const account = el('div', { class: 'account' })
  if (user.userId !== undefined) {
    account.append(el('span', { class: 'who', title: user.userId }, user.name ?? user.userId))
  }
  if (settings.login !== 'none' && settings.login !== 'gateway') {
    account.append(user.userId === undefined
      ? button('Log in', () => { onLogin() }, { class: 'plain' })
      : button('Log out', async () => {
        await session.end()
        onLogin()
      }, { class: 'plain' }))
  }
  fill(host, skip,
    el('header', { class: 'top' }, el('strong', { class: 'brand' }, settings.name), status, account),
    el('nav', { 'aria-label': 'Pages' }, ...links.values()),
    el('div', { class: 'body' }, banner, main), notices)

  const context: Context = {
    client,
    user,
    notify: (text, kind = 'done') => { notify(notices, text, kind) },
    go: (...place) => { location.hash = hashOf(place) }
  }
  let view: View | undefined
  let current: Page | undefined
  const route = (): void => {
    const [name = '', ...place] = location.hash.replace(/^#\/?/, '').split('/').map(part)
    const page = pages.find(candidate => candidate.name === name) ?? pages[0]
    if (page === undefined) return
    for (const [key, anchor] of links) {
      setAttribute(anchor, 'aria-current', key === page.name ? 'page' : undefined)
    }
    links.get(page.name)?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
    document.title = `${page.title} – ${settings.name}`
    view?.close()
    view = page.open(context, place)
    fill(main, view.node)
    // By the first load the focus is where the browser has put it.
    if (current !== undefined) main.focus({ preventScroll: true })
    if (current !== page) scrollTo(0, 0)
    current = page
  }
  const showState = (): void => { tellState(client, status, banner, settings, onLogin) }
  const unsubscribe = client.state.subscribe(showState)
  showState()
  addEventListener('hashchange', route)
  route()
  return () => {
    removeEventListener('hashchange', route)
    unsubscribe()
    view?.close()
    client.close()
  }
}

const stateTexts: Readonly<Record<ConnectionState['value'], string>> = {
  connecting: 'connecting',
  open: 'live',
  leaving: 'server is stopping',
  waiting: 'no connection',
  refused: 'not connected',
  offline: 'no network'
}

/** Says how the connection is; while there is none, that all figures are old, and why. */
function tellState (
  { state, reconnect }: Client, status: HTMLElement, banner: HTMLElement, { login }: Settings,
  onLogin: (reason?: string) => void
): void {
  const { value, error, retryAt } = state
  setText(status, stateTexts[value])
  setAttribute(status, 'data-state', value)
  setAttribute(document.body, 'data-state', value)
  banner.hidden = value === 'open' || (value === 'connecting' && error === undefined)
  if (banner.hidden) return
  const reason = error?.message ?? 'The server is not there.'
  const next = retryAt === undefined ? '' : ` Next attempt at ${time(retryAt)}.`
  fill(banner, el('span', {}, `All that you see is of before. ${reason}${next}`),
    value === 'refused' && login !== 'none' && login !== 'gateway'
      ? button('Log in again', () => { onLogin(reason) })
      : button('Try now', () => { reconnect() }))
}

/** Shows a notice for some seconds; those of failures stay longer. */
function notify (host: HTMLElement, text: string, kind: 'done' | 'failed'): void {
  const notice = el('p', { class: `notice ${kind}` }, text)
  host.append(notice)
  while (host.childElementCount > 3) host.firstElementChild?.remove()
  setTimeout(() => { notice.remove() }, kind === 'failed' ? 12_000 : 5_000)
}

/** Returns a part of the address, which users may have changed by hand. */
function part (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
