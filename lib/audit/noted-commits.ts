import type { Tier } from '../permissions/policy.js'
import type { NoexStore } from '../store/noex-store.js'
import type { RecordedEntry } from './entry.js'
import { noteText } from './entry-note.js'
import type { SinkQueue } from './sink-queue.js'

/** A commit whose note has the entry of its request. */
export interface NotedCommit {
  readonly revision: number
}

/** The store of a service, and the queues of sinks that bring entries back. */
export interface NotedCommitsOptions {
  readonly store: Pick<NoexStore, 'epoch' | 'whenDurable'>
  readonly queues: readonly SinkQueue[]
}

/** The commits of a service whose notes have the entries of their requests. */
export class NotedCommits {
  readonly epoch: string
  readonly #options: NotedCommitsOptions
  readonly #tiers: ReadonlySet<Tier>
  /** Paths of the trails as JSON. */
  readonly #paths: readonly string[]
  /** Names this process among those that have written to the log. */
  readonly #run = Date.now().toString(36)
  #requests = 0

  constructor (options: NotedCommitsOptions) {
    const { store, queues } = options
    this.epoch = store.epoch
    this.#options = options
    this.#paths = queues.map(({ commits }) => JSON.stringify(commits?.trail))
    const tiers: readonly Tier[] = ['read', 'write', 'admin']
    this.#tiers = new Set(tiers.filter(tier => queues.some(({ policies }) => policies[tier] === 'block')))
  }

  /** Whether commits of requests of this tier get notes. */
  covers (tier: Tier): boolean {
    return this.#tiers.has(tier)
  }

  /** Begins the commits of one request. */
  begin (): RequestCommits {
    const request = `${this.#run}-${(++this.#requests).toString(36)}`
    return new RequestCommits(request, this)
  }

  /** Makes the note of a commit, and expects its entry from now on. */
  note (commit: NotedCommit, request: string, whole: boolean, recorded: RecordedEntry): string {
    const { queues } = this.#options
    const told = queues.map(
      (queue, i) => [this.#paths[i] as string, queue.toldBefore(commit.revision)] as const
    )
    const text = noteText({ request, whole }, told, recorded)
    for (const queue of queues) queue.expect(commit)
    return text
  }

  /** Resolves with whether a commit stands: it is durable, and has not been taken back. */
  async stands (commit: NotedCommit): Promise<boolean> {
    const { store, queues } = this.#options
    try {
      await store.whenDurable(commit.revision)
      return true
    } catch {
      for (const queue of queues) queue.forget(commit)
      return false
    }
  }
}

/** The commits of one request, and which of them stand. */
export class RequestCommits {
  readonly #request: string
  readonly #noted: NotedCommits
  readonly #made: Array<{ readonly commit: NotedCommit, stands?: boolean }> = []
  readonly #pending = new Set<Promise<void>>()

  constructor (request: string, noted: NotedCommits) {
    this.#request = request
    this.#noted = noted
  }

  /** Commits that were made, those that were taken back among them. */
  get count (): number {
    return this.#made.length
  }

  /** Makes the note of the next commit. To be called in the step that commits. */
  note (revision: number, whole: boolean, recorded: RecordedEntry): string {
    const commit = { revision }
    const text = this.#noted.note(commit, this.#request, whole, recorded)
    const made: { readonly commit: NotedCommit, stands?: boolean } = { commit }
    this.#made.push(made)
    const pending = this.#noted.stands(commit).then(stands => {
      made.stands = stands
      this.#pending.delete(pending)
    })
    this.#pending.add(pending)
    return text
  }

  /** Waits until it is known of each commit whether it stands; `undefined` where it is. */
  settled (): Promise<unknown> | undefined {
    return this.#pending.size === 0 ? undefined : Promise.all(this.#pending)
  }

  /** The commits that stand, in order. */
  get standing (): readonly NotedCommit[] {
    return this.#made.filter(({ stands }) => stands).map(({ commit }) => commit)
  }
}
