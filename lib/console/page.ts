import type { Client } from '../client/index.js'

/** The user of the console. */
export interface User {
  readonly userId: string | undefined
  readonly name: string | undefined
  readonly roles: readonly string[]
}

/** The console, as its pages use it. */
export interface Context {
  readonly client: Client
  readonly user: User
  /** Says in a line at the bottom what has been done or has failed. */
  readonly notify: (text: string, kind?: 'done' | 'failed') => void
  /** Goes to a page. */
  readonly go: (...place: string[]) => void
}

/** A page that is shown. */
export interface View {
  readonly node: HTMLElement
  /** Ends what the page asks for. */
  readonly close: () => void
}

/** One of the pages. */
export interface Page {
  readonly name: string
  readonly title: string
  /** Shows the page, or a part of it: `place` is what stands behind its name in the address. */
  readonly open: (context: Context, place: readonly string[]) => View
}
