export { DisconnectedError, NoexClientError, TimeoutError, type Outcome } from './errors.js'
export { createClient } from './create-client.js'
export { preload, type PreloadOptions, type PreloadQuery, type PreloadService } from './preload.js'
export type {
  ClientOf, OptimisticBucket, SchemaClient, SchemaFind, SchemaTransaction
} from './schema-client.js'
export type { CallsOf, ClientSchema } from './schema-types.js'
export { NoexClient } from './noex-client.js'
export type * from './noex-types.js'
export type * from './server-values.js'
export type * from './types.js'
export type * from './wire-types.js'
