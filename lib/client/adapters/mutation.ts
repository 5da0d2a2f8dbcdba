import type { NoexClientError } from '../errors.js'
import type { OptimisticTransaction, RequestOptions } from '../types.js'
import { createSource, type AnyClient, type Source } from './source.js'

/** The state of a mutation: of its last run. */
export interface MutationState<T> {
  /** Whether a run has not been answered yet. */
  readonly isPending: boolean
  /** The answer to the last run; `undefined` before, and after an error. */
  readonly data: T | undefined
  /** The error of the last run; `undefined` before, and after an answer. */
  readonly error: NoexClientError | undefined
}

/** Makes the changes of a run, which are shown at once, and are one transaction. */
export type Change<A extends unknown[]> = (tx: OptimisticTransaction, ...args: A) => void

/** A mutation: the type of a request, whose members a run is given, or a change. */
export type MutationType<A extends unknown[]> = string | Change<A>

/** A mutation as a source. */
export interface MutationSource<A extends unknown[], T> extends Source<MutationState<T>> {
  /** The present definition; a framework may give another one at each rendering. */
  type: MutationType<A>
  options: RequestOptions | undefined
  /** Resolves with the answer. A rejection that the caller ignores is only in the state. */
  readonly run: (...args: A) => Promise<T>
  /** Forgets the answer or the error of the last run, also of one that is pending. */
  readonly reset: () => void
}

/** Returns a mutation of a client. */
export function mutationOf<A extends unknown[], T> (
  client: AnyClient, type: MutationType<A>, options?: RequestOptions
): MutationSource<A, T> {
  const rest: MutationState<T> = { isPending: false, data: undefined, error: undefined }
  const source = createSource(rest)
  let last = 0

  async function start (...args: A): Promise<T> {
    const { type, options } = mutation
    return typeof type === 'function'
      ? await client.optimistic(tx => { type(tx, ...args) }, options)
      : await client.request(type, args[0], options)
  }

  const mutation: MutationSource<A, T> = {
    type,
    options,
    get state () { return source.state },
    subscribe: source.subscribe,
    run (...args) {
      const own = ++last
      const show = (state: Partial<MutationState<T>>): void => {
        if (own === last) source.set({ ...rest, ...state })
      }
      source.set({ ...source.state, isPending: true })
      const answer = start(...args)
      answer.then(data => { show({ data }) }, (error: NoexClientError) => { show({ error }) })
      return answer
    },
    reset () {
      last++
      source.set(rest)
    }
  }
  return mutation
}
