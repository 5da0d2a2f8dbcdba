import type { Tier } from '../permissions/policy.js'
import type { NoexStore } from '../store/noex-store.js'
import type { RecordedEntry } from './entry.js'
import { noteText } from './entry-note.js'
import type { NotedCommit } from './entry-queue.js'
import type { SinkQueue } from './sink-queue.js'

/** The store of a service, and the queues of the sinks that can find commits in their trails. */
interface NotedCommitsOptions {
  readonly store: Pick<NoexStore, 'epoch' | 'whenDurable'>
  readonly queues: readonly SinkQueue[]
}

/** Makes the notes of commits: each has the entry of the request that commits. */
export class NotedCommits {
  readonly epoch: string
  readonly #options: NotedCommitsOptions
  readonly #tiers: ReadonlySet<Tier>
  /** Paths of the trails as JSON. */
  readonly #paths: readonly string[]
  /** Tells the requests of this process from those of others that have written to the log. */
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

  /** Returns whether commits of requests of this tier get notes. */
  covers (tier: Tier): boolean {
    return this.#tiers.has(tier)
  }

  /** Begins the commits of one request. */
  begin (): RequestCommits {
    const request = `${this.#run}-${(++this.#requests).toString(36)}`
    return new RequestCommits(request, this)
  }

  /** Returns the note of a commit; from now on the queues expect its entry. */
  note (commit: NotedCommit, request: string, whole: boolean, recorded: RecordedEntry): string {
    const { queues } = this.#options
    const told = queues.map(
      ({ expected }, i) => [this.#paths[i] as string, expected.durableBefore(commit.revision)] as const
    )
    const text = noteText({ request, whole }, told, recorded)
    for (const { expected } of queues) expected.add(commit)
    return text
  }

  /** Resolves with `true` when the commit is durable, `false` when it was rolled back. */
  async isDurable (commit: NotedCommit): Promise<boolean> {
    const { store, queues } = this.#options
    try {
      await store.whenDurable(commit.revision)
      return true
    } catch {
      for (const { expected } of queues) expected.delete([commit])
      return false
    }
  }
}

/** The commits of one request, and which of them are durable. */
export class RequestCommits {
  readonly #request: string
  readonly #noted: NotedCommits
  readonly #made: Array<{ readonly commit: NotedCommit, isDurable?: boolean }> = []
  readonly #pending = new Set<Promise<void>>()

  constructor (request: string, noted: NotedCommits) {
    this.#request = request
    this.#noted = noted
  }

  /** Number of commits, those that were rolled back included. */
  get count (): number {
    return this.#made.length
  }

  /** Returns the note of the next commit. Must be called in the step that commits. */
  note (revision: number, whole: boolean, recorded: RecordedEntry): string {
    const commit = { revision }
    const text = this.#noted.note(commit, this.#request, whole, recorded)
    const made: { readonly commit: NotedCommit, isDurable?: boolean } = { commit }
    this.#made.push(made)
    const pending = this.#noted.isDurable(commit).then(isDurable => {
      made.isDurable = isDurable
      this.#pending.delete(pending)
    })
    this.#pending.add(pending)
    return text
  }

  /** Waits until each commit is durable or rolled back; `undefined` when none is pending. */
  settled (): Promise<unknown> | undefined {
    return this.#pending.size === 0 ? undefined : Promise.all(this.#pending)
  }

  /** The durable commits, in order. */
  get durable (): readonly NotedCommit[] {
    return this.#made.filter(({ isDurable }) => isDurable).map(({ commit }) => commit)
  }
}
