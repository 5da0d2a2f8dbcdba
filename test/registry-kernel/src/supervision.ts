import type { TerminateReason } from './behavior.js'
import { Child, type ChildSpec } from './child.js'
import { ChildNotFoundError, DuplicateChildError, MaxRestartsExceededError } from './errors.js'
import type { GenServerRef } from './ref.js'
import type { RestartIntensity } from './restart-intensity.js'

/**
 * Which children are started again when one ended by itself: that one, all, or that one and those
 * started after it.
 */
export type SupervisorStrategy = 'one_for_one' | 'one_for_all' | 'rest_for_one'

/**
 * The children of one supervisor, in the order in which they were started, and their restarts.
 *
 * A child is watched by a callback from its server's stop path. Restarts happen one after the other.
 */
export class Supervision {
  readonly id: string
  readonly #strategy: SupervisorStrategy
  readonly #intensity: RestartIntensity
  readonly #onStopped: () => void
  readonly #children = new Map<string, Child>()
  #stopped: Promise<void> | undefined
  #isRunning = true
  /** Settles when the restarts that were asked for so far are done. Never rejects. */
  #restarts: Promise<void> = Promise.resolve()

  /** @param onStopped is told once that the supervisor and its children have stopped */
  constructor (
    id: string,
    strategy: SupervisorStrategy,
    intensity: RestartIntensity,
    onStopped: () => void
  ) {
    this.id = id
    this.#strategy = strategy
    this.#intensity = intensity
    this.#onStopped = onStopped
  }

  /** False from the moment at which the supervisor begins to stop, or gives up. */
  get isRunning (): boolean {
    return this.#isRunning
  }

  /** The children that were started or are starting, oldest first. */
  get children (): Child[] {
    return [...this.#children.values()]
  }

  /** Starts a child; its id is taken at once. Nothing is left behind when the start fails. */
  async startChild (spec: ChildSpec): Promise<GenServerRef> {
    if (this.#children.has(spec.id)) throw new DuplicateChildError(this.id, spec.id)
    const child = new Child(spec)
    this.#children.set(spec.id, child)
    return this.#startOrDrop(child)
  }

  /** Stops a child for good. Its id is free when the promise resolves. */
  async terminateChild (childId: string): Promise<void> {
    await this.#retire(this.#find(childId), 'shutdown')
  }

  /** Stops a child, starts it again in its place and gives the new ref. */
  restartChild (childId: string): Promise<GenServerRef> {
    const restarted = this.#restarts.then(async () => {
      const child = this.#find(childId)
      await child.stop('shutdown')
      return this.#startOrDrop(child)
    })
    this.#restarts = restarted.then(ignore, ignore)
    return restarted
  }

  /** Stops every child, the youngest first. Never rejects; a repeated stop waits for the first. */
  stop (reason: TerminateReason): Promise<void> {
    this.#isRunning = false
    this.#stopped ??= this.#retireAll(reason)
    return this.#stopped
  }

  #find (childId: string): Child {
    const child = this.#children.get(childId)
    if (child === undefined) throw new ChildNotFoundError(this.id, childId)
    return child
  }

  #start (child: Child): Promise<GenServerRef> {
    return child.start(reason => this.#onChildEnd(child, reason))
  }

  async #startOrDrop (child: Child): Promise<GenServerRef> {
    try {
      return await this.#start(child)
    } catch (error) {
      this.#drop(child)
      throw error
    }
  }

  async #retire (child: Child, reason: TerminateReason): Promise<void> {
    await child.retire(reason)
    this.#drop(child)
  }

  async #retireAll (reason: TerminateReason): Promise<void> {
    for (const child of this.children.reverse()) await this.#retire(child, reason)
    this.#onStopped()
  }

  #drop (child: Child): void {
    // The id may by then belong to a later child.
    if (this.#children.get(child.spec.id) === child) this.#children.delete(child.spec.id)
  }

  #onChildEnd (child: Child, reason: TerminateReason): void {
    if (!this.#isRunning || child.isRetired) return
    if (isRestartDue(child.spec, reason)) {
      this.#restarts = this.#restarts.then(() => this.#recover(child))
    } else {
      this.#drop(child)
    }
  }

  async #recover (ended: Child): Promise<void> {
    // It may have been terminated, or started again beside a sibling, before its turn came.
    if (!this.#isWanted(ended) || ended.isUp) return
    if (!this.#intensity.admit()) return this.#giveUp()

    const group = this.#groupOf(ended)
    for (const child of group.toReversed()) await child.stop('shutdown')
    for (const child of group) {
      while (this.#isWanted(child) && !await this.#tryStart(child)) {
        if (!this.#intensity.admit()) return this.#giveUp()
      }
    }
  }

  #isWanted (child: Child): boolean {
    return this.#isRunning && !child.isRetired
  }

  async #tryStart (child: Child): Promise<boolean> {
    try {
      await this.#start(child)
      return true
    } catch {
      // A start that fails counts as one more restart; the limit decides how often it is tried.
      return false
    }
  }

  #groupOf (ended: Child): Child[] {
    const children = this.children
    if (this.#strategy === 'one_for_one') return [ended]
    return this.#strategy === 'one_for_all' ? children : children.slice(children.indexOf(ended))
  }

  #giveUp (): Promise<void> {
    const { maxRestarts, withinMs } = this.#intensity
    return this.stop({ error: new MaxRestartsExceededError(this.id, maxRestarts, withinMs) })
  }
}

function isRestartDue ({ restart = 'permanent' }: ChildSpec, reason: TerminateReason): boolean {
  return restart === 'permanent' || (restart === 'transient' && typeof reason === 'object')
}

function ignore (): void {}
