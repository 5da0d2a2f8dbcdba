/** When the grace period is over: time that requests in flight have to be answered, in milliseconds. */
export const inFlightTimeoutMs = 800

/**
 * Time between our close frame and the end of the socket, when the client does not answer it, in
 * milliseconds.
 */
export const closeTimeoutMs = 800
