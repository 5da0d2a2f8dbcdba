import { isDeepStrictEqual } from 'node:util'
import type { Store } from '@hamicek/noex-store'
import type { LiveView } from '../support/live-client.js'
import type { WatchingClient } from './client.js'
import { loop } from './globals.js'
import type { History, StateAt } from './history.js'
import { isRightAtRest, Oracle } from './oracle.js'
import { rightsAt } from './rights.js'

/** Commits for which what is on its way may be of earlier rights. */
const MAX_RIGHTS_LAG = 200
/** Looks at rights that are ahead of the log. */
const MAX_LOOKS = 200
/** Time between two of them, in milliseconds. */
const LOOK_MS = 5

/** Compares what clients show with what the log says: after each message, and at rest. */
export class Judge {
  readonly #history: History
  readonly #oracle = new Oracle()
  /** Hears of each kind of comparison. */
  readonly #onDone: (what: string) => void

  constructor (history: History, onDone: (what: string) => void) {
    this.#history = history
    this.#onDone = onDone
  }

  /** Forgets everything: revisions mean other states from now on. */
  forget (): void {
    this.#oracle.forget()
  }

  /** Checks what a view shows against the state of the revision that it names. Rejects with the difference. */
  async check (client: WatchingClient, view: LiveView): Promise<void> {
    const { revision, data, epoch, request } = view
    const { user } = client
    const state = this.#history.at(revision as number)
    const { present } = this.#history
    if (state === undefined) throw new Error(`the log has no revision ${revision}: it is at ${present.revision}`)
    if (!epoch?.startsWith(`${state.epoch}.`)) throw new Error(`the epoch is of ${state.epoch}, not ${epoch}`)
    this.#onDone('compared')
    const expected = await this.#oracle.expected(request, user, state)
    if (this.#oracle.isOneOf(data, expected)) return
    // Rights may have changed since, and may be ahead of the log.
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      if (await this.#isRightByLaterRights(user, view, data, state)) return
      const isOver = client.user !== user || !client.views.has(view)
      if (isOver || this.#history.present.epoch !== state.epoch) return
      await new Promise<void>(resolve => { loop.after(LOOK_MS, resolve, 'outside') })
    }
    throw new Error(
      `at revision ${revision} it shows\n${JSON.stringify(data)}\nand the plain evaluation is one of\n` +
      `${JSON.stringify(expected.results)}\n${this.#circumstances(view, user, state)}`
    )
  }

  async #isRightByLaterRights (
    user: string, { request }: LiveView, data: unknown, state: StateAt
  ): Promise<boolean> {
    const tried = new Set<string>()
    for (let at = this.#history.present.revision; at > state.revision - MAX_RIGHTS_LAG; at--) {
      const rightsOf = this.#history.at(at)
      if (rightsOf === undefined) break
      const { key } = rightsAt(rightsOf, user)
      if (tried.has(key)) continue
      tried.add(key)
      if (!this.#oracle.isOneOf(data, await this.#oracle.expected(request, user, state, rightsOf))) continue
      this.#onDone('compared by other rights')
      return true
    }
    return false
  }

  /** Checks a view when nothing is under way any more. Rejects with the difference. */
  async checkAtRest (client: WatchingClient, view: LiveView): Promise<void> {
    const { present } = this.#history
    this.#onDone(view.state === 'live' ? 'compared at marks' : `refused: ${client.refusals.get(view)}`)
    if (await isRightAtRest(client, view, present, this.#oracle)) return
    const expected = await this.#oracle.expected(view.request, client.user, present)
    throw new Error(
      `at the mark (revision ${present.revision}, its own ${view.revision}) it is ${view.state} and shows\n` +
      `${JSON.stringify(view.data)}\nand the plain evaluation is one of\n` +
      `${JSON.stringify(expected.results)}\n${this.#circumstances(view, client.user, present)}`
    )
  }

  #circumstances ({ request }: LiveView, user: string, state: StateAt): string {
    const definition = state.queries.get(request.query ?? '')
    return `by the rights ${rightsAt(state, user).key} and the definition ${JSON.stringify(definition)}, ` +
      `of the buckets ${[...state.buckets.keys()].join(', ')}`
  }

  /** Checks that the log says what the store has. */
  checkStore (store: Store): void {
    const { revision, buckets } = this.#history.present
    const image = store.image()
    if (image.revision !== revision) {
      throw new Error(`the store is at revision ${image.revision}, its log at ${revision}`)
    }
    for (const { name, records } of image.buckets) {
      const inLog = buckets.get(name)
      if (isDeepStrictEqual(records, inLog)) continue
      const [has, says] = [JSON.stringify(records), JSON.stringify(inLog)]
      throw new Error(`bucket ${name} has\n${has}\nand by the log\n${says}`)
    }
  }
}
