/** Where an engine writes: a pino logger, or one like it. */
export interface Logger {
  debug: (details: object, message: string) => void
  info: (details: object, message: string) => void
  warn: (details: object, message: string) => void
  error: (details: object, message: string) => void
}

/** What an engine writes with when it is given no logger. */
export const consoleLogger: Logger = {
  debug: (details, message) => { console.debug(message, details) },
  info: (details, message) => { console.info(message, details) },
  warn: (details, message) => { console.warn(message, details) },
  error: (details, message) => { console.error(message, details) }
}
