import { isDeepStrictEqual } from 'node:util'
import type { Store } from '@hamicek/noex-store'
import type { LiveFrame, LiveRequest, LiveView } from '../support/live-client.js'
import type { WatchingClient } from './client.js'
import { loop } from './globals.js'
import type { History, StateAt } from './history.js'
import { isRightAtRest, Oracle } from './oracle.js'
import type { Shown } from './pages.js'
import { isCode, isUnsteady } from './queries.js'
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
  /** The session in which each view has shown something last. */
  readonly #shownIn = new WeakMap<LiveView, string>()
  /** The last states of the store in which rights had changed; those of a process that was killed, too. */
  #changesOfRights: StateAt[] = []
  /** Hears of each kind of comparison. */
  readonly #onDone: (what: string) => void

  constructor (history: History, onDone: (what: string) => void) {
    this.#history = history
    this.#onDone = onDone
  }

  /** Forgets everything: revisions mean other states from now on. */
  forget (): void {
    this.#oracle.forget()
    this.#changesOfRights = []
  }

  /** Takes a state of the store in which rights have changed, and which may never come to the log. */
  noteRights (state: StateAt): void {
    this.#changesOfRights = [...this.#changesOfRights, state].slice(-MAX_RIGHTS_LAG)
  }

  /** Checks what a view shows against the state of its revision. Rejects with the difference. */
  async check (client: WatchingClient, view: LiveView): Promise<void> {
    const { revision, data, epoch, request, hasMore, nextCursor } = view
    const shown = { request, data, hasMore, nextCursor }
    const { user } = client
    const state = this.#history.at(revision as number)
    const { present } = this.#history
    if (state === undefined) {
      throw new Error(`the log has no revision ${revision}: it is at ${present.revision}`)
    }
    if (!isOf(state, epoch)) throw new Error(`the epoch is ${state.epoch}, not ${epoch}`)
    this.#onDone('compared')
    const expected = await this.#oracle.expected(request, user, state)
    if (this.#oracle.isOneOf(shown, expected)) return
    // With the messages that have led to it.
    const failure = client.failure(new Error(
      `at revision ${revision} it shows\n${JSON.stringify(data)}\nand the plain evaluation is one of\n` +
      `${JSON.stringify(expected.results)}\n${this.#circumstances(request, user, state)}`
    ), view)
    // Rights may have changed since, and may be ahead of the log.
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      if (await this.#isRightByLaterRights(user, shown, state)) return
      const isOver = client.user !== user || !client.views.has(view)
      if (isOver || this.#history.present.epoch !== state.epoch) return
      await new Promise<void>(resolve => { loop.after(LOOK_MS, resolve, 'outside') })
    }
    throw failure
  }

  async #isRightByLaterRights (
    user: string, shown: Shown, state: StateAt
  ): Promise<boolean> {
    const tried = new Set<string>()
    for (const rightsOf of this.#statesAround(state)) {
      const { key } = rightsAt(rightsOf, user)
      if (tried.has(key)) continue
      tried.add(key)
      const expected = await this.#oracle.expected(shown.request, user, state, rightsOf)
      if (!this.#oracle.isOneOf(shown, expected)) continue
      this.#onDone('compared by other rights')
      return true
    }
    return false
  }

  /** Yields the states whose rights may hold for what is shown of a state: the last first. */
  * #statesAround ({ revision }: StateAt): Iterable<StateAt> {
    for (let at = this.#history.present.revision; at > revision - MAX_RIGHTS_LAG; at--) {
      const state = this.#history.at(at)
      if (state === undefined) break
      yield state
    }
    yield * this.#changesOfRights
  }

  /**
   * Checks that all that a client shows after pushes is the state of their revision, but for queries in code,
   * which may be of another one. Rejects with the difference.
   */
  async checkTogether (
    client: WatchingClient, changed: readonly LiveView[], cause: LiveFrame
  ): Promise<void> {
    const { user, session } = client
    for (const view of changed) this.#shownIn.set(view, session)
    const { type, revision } = cause
    const state = this.#history.at(revision)
    if (type !== 'push' || state === undefined || !changed.some(isSteady)) return
    const views = [...client.views]
      .filter(view => isSteady(view) && (view.revision as number) <= revision && isOf(state, view.epoch))
      .filter(view => this.#shownIn.get(view) === session)
    const shown = views.map(view => ({ ...view }))
    const failure = client.failure(new Error(`not all is shown as of revision ${revision}`))
    for (const [i, one] of shown.entries()) {
      this.#onDone('compared together')
      const expected = await this.#oracle.expected(one.request, user, state)
      if (this.#oracle.isOneOf(one, expected)) continue
      if (await this.#haveRightsChanged(user, one.revision as number)) continue
      // It was about to end, and does not follow any further.
      const { state: later, subscriptionId } = views[i] as LiveView
      if (later !== 'live' || subscriptionId !== one.subscriptionId) continue
      failure.message = `${JSON.stringify(one.request)} (${one.subscriptionId}) shows\n` +
        `${JSON.stringify(one.data)}\nand the plain evaluation is one of\n` +
        `${JSON.stringify(expected.results)}\n${this.#circumstances(one.request, user, state)}\n` +
        failure.message
      throw failure
    }
  }

  /**
   * Whether the rights of a user have changed since a revision, or do so soon: then a view is evaluated anew,
   * and others go on meanwhile.
   */
  async #haveRightsChanged (user: string, revision: number): Promise<boolean> {
    await new Promise<void>(resolve => { loop.after(MAX_LOOKS * LOOK_MS, resolve, 'outside') })
    const keys = new Set<string>()
    for (let at = revision; at <= this.#history.present.revision; at++) {
      const state = this.#history.at(at)
      if (state !== undefined) keys.add(rightsAt(state, user).key)
    }
    for (const state of this.#changesOfRights) {
      if (state.revision >= revision) keys.add(rightsAt(state, user).key)
    }
    return keys.size !== 1
  }

  /**
   * Checks that each view of a client shows a state of at least a revision, but for those that fail at times
   * or may wait. Rejects with the difference.
   */
  async checkNotice (client: WatchingClient, revision: number): Promise<void> {
    const { user, session } = client
    const { present } = this.#history
    const from = this.#history.at(revision)
    if (from === undefined) throw client.failure(new Error(`a notice of ${revision}, at ${present.revision}`))
    const views = [...client.views].filter(view => isAwaited(view, from))
    const shown = views.map(view => ({ ...view }))
    const failure = client.failure(new Error(`not all is shown that was at revision ${revision}`))
    this.#onDone('notices')
    for (const [i, one] of shown.entries()) {
      this.#onDone('compared at notices')
      if (await this.#isOfStateSince(one, user, revision, present.revision)) continue
      if (await this.#haveRightsChanged(user, Math.min(revision, one.revision ?? revision))) continue
      // It is shown nothing while no user is logged in, as after the restore of a backup.
      if (client.session !== session || !client.isLoggedIn) continue
      const { state: later, subscriptionId } = views[i] as LiveView
      if (later !== 'live' || subscriptionId !== one.subscriptionId) continue
      failure.message = `${JSON.stringify(one.request)} (${one.subscriptionId}) of ${one.revision} shows\n` +
        `${JSON.stringify(one.data)}\n${this.#circumstances(one.request, user, from)}\n${failure.message}`
      throw failure
    }
  }

  /** Whether what is shown is a state of one of these revisions, or may not have been evaluated in one. */
  async #isOfStateSince (shown: Shown, user: string, first: number, last: number): Promise<boolean> {
    for (let revision = first; revision <= last; revision++) {
      const state = this.#history.at(revision)
      if (state === undefined) return true
      const expected = await this.#oracle.expected(shown.request, user, state)
      if (expected.results.length === 0 || this.#oracle.isOneOf(shown, expected)) return true
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
      `${JSON.stringify(expected.results)}\n${this.#circumstances(view.request, client.user, present)}`
    )
  }

  /** Checks the pages of a client that go on from each other, when nothing is under way. */
  async checkPages (client: WatchingClient): Promise<void> {
    const lists = new Map<string, LiveView[]>()
    for (const view of client.views) {
      const list = JSON.stringify(view.request.find)
      if (view.request.page !== undefined && view.state === 'live') {
        lists.set(list, [...lists.get(list) ?? [], view])
      }
    }
    for (const pages of lists.values()) {
      const [first] = pages as [LiveView]
      const expected = await this.#oracle.expected(first.request, client.user, this.#history.present)
      const problem = this.#oracle.chainProblem(pages, expected)
      this.#onDone('chains')
      if (problem === undefined) continue
      throw new Error(`${problem}: ${JSON.stringify(pages.map(({ request, data, revision, hasMore }) =>
        ({ page: request.page, hasMore, revision, data })))} of ${JSON.stringify(expected.results)}`)
    }
  }

  #circumstances (request: LiveRequest, user: string, state: StateAt): string {
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

/** Whether a view has to show each revision: not a query in code, nor one that may wait. */
function isSteady ({ isDelta, state, hasData, request }: LiveView): boolean {
  return isDelta && state === 'live' && hasData && !isCode(request) && request.minIntervalMs === undefined
}

/** Whether the notice of a revision waits for a view. */
function isAwaited ({ state, hasData, request, epoch, isDelta }: LiveView, at: StateAt): boolean {
  if (state !== 'live' || !hasData || request.minIntervalMs !== undefined || isUnsteady(request)) return false
  return !isDelta || isOf(at, epoch)
}

/** Whether an epoch of the wire is of the history of a state: it tells more than that of the store. */
function isOf ({ epoch }: StateAt, told: string | undefined): boolean {
  return told === epoch || told?.startsWith(`${epoch}.`) === true
}
