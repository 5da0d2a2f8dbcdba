export { NoexClientError, TimeoutError, DisconnectedError, type Outcome } from './errors.js'
export type * from './types.js'
