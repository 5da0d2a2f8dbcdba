export { NoexClientError, DisconnectedError, TimeoutError } from './errors.js'
export { composeClient } from './client.js'
