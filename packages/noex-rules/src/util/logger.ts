/** The log of an engine: a pino logger, or one like it. */
export interface Logger {
  debug: (details: object, message: string) => void
  info: (details: object, message: string) => void
  warn: (details: object, message: string) => void
  error: (details: object, message: string) => void
}

/** The log of an engine that was given none. */
export const consoleLogger: Logger = {
  debug: (details, message) => { console.debug(message, details) },
  info: (details, message) => { console.info(message, details) },
  warn: (details, message) => { console.warn(message, details) },
  error: (details, message) => { console.error(message, details) }
}
