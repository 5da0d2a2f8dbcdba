import { composeClient } from './client.js'
import type { ClientOf } from './schema-client.js'
import type { ClientSchema, NoOperations } from './schema-types.js'
import type { ClientOptions } from './types.js'

/**
 * Makes a client and connects it, unless `options.connect` is false. With the type of a schema its requests
 * and results are checked, and with that of the operations of the application, these too.
 * @throws `TypeError` for a wrong URL or option
 * @example
 * const client = createClient<typeof schema, typeof operations>('wss://example.com/live')
 * const open = client.query({ bucket: 'orders', filter: { status: 'open' } })
 * open.subscribe(() => { console.log(open.getSnapshot()) })
 * await client.request('store.insert', { bucket: 'orders', data: { total: 20 } }, { retry: true })
 */
export function createClient<T extends ClientSchema = never, A extends object = NoOperations> (
  url: string | { readonly href: string }, options?: ClientOptions
): ClientOf<T, A> {
  return composeClient(url, options) as ClientOf<T, A>
}
