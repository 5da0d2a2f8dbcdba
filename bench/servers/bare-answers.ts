import type { UserInput } from '../workload/records.js'
import { get, insert, rowsOf, update } from './bare-records.js'

/** A request of the load; the bare servers trust it to be one. */
export type BareRequest =
  | { readonly id: number, readonly type: 'store.get', readonly bucket: string, readonly key: string }
  | { readonly id: number, readonly type: 'store.insert', readonly bucket: string, readonly data: UserInput }
  | {
    readonly id: number,
    readonly type: 'store.update',
    readonly bucket: string,
    readonly key: string,
    readonly data: Partial<UserInput>
  }
  | { readonly id: number, readonly type: 'store.subscribe', readonly query: string }

/** Does what a request asks for, without a check, in Maps. Returns the reply's data. */
export function answer (request: BareRequest): unknown {
  switch (request.type) {
    case 'store.get': return get(request.bucket, request.key)
    case 'store.insert': return insert(request.bucket, request.data)
    case 'store.update': return update(request.bucket, request.key, request.data)
    case 'store.subscribe': return { subscriptionId: request.query, data: rowsOf(request.query) }
  }
}
