import { mustBe } from '../checks.js'
import type { NoexClientError } from '../errors.js'
import type { RequestOptions } from '../types.js'
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

/** The member of a mutation that forgets the answer or the error of the last run. */
export interface Resettable {
  readonly reset: () => void
}

/** The transaction of a client's `optimistic`. */
type TransactionOf<C extends AnyClient> = Parameters<Parameters<C['optimistic']>[0]>[0]

/** Makes the changes of a run, which are shown at once, and are one transaction. */
export type Change<C extends AnyClient, A extends unknown[]> = (tx: TransactionOf<C>, ...args: A) => void

/** The work of a mutation: a function, or of a client a change or the type of a request. */
export type Definition<A extends unknown[], T> =
  | readonly [run: (...args: A) => Promise<T>]
  | readonly [client: AnyClient, what: Change<AnyClient, A> | string, options?: RequestOptions | undefined]

/** A mutation as a source. */
export interface MutationSource<A extends unknown[], T> extends Source<MutationState<T>>, Resettable {
  /** Resolves with the answer. A rejection that the caller ignores is only in the state. */
  readonly run: (...args: A) => Promise<T>
}

/** Returns a mutation; `define` returns its present definition. */
export function mutationOf<A extends unknown[], T> (define: () => Definition<A, T>): MutationSource<A, T> {
  const rest: MutationState<T> = { isPending: false, data: undefined, error: undefined }
  const source = createSource(rest)
  let last = 0

  async function start (...args: A): Promise<T> {
    const [first, what, options] = define()
    if (typeof first === 'function') return await first(...args)
    mustBe('useMutation: client.request (of a client by createClient)', Object(first).request, 'a function')
    if (typeof what === 'string') return await first.request(what, args[0], options)
    mustBe('useMutation: the change, or type of a request,', what, 'a function or a non-empty string')
    // Its result says whether it is `async`, which is refused.
    return await first.optimistic(tx => what?.(tx, ...args), options)
  }

  return {
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
}
