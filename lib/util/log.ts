/** The part of Fastify's logger that the service uses. */
export interface Log {
  trace: (details: object, message: string) => void
  debug: (details: object, message: string) => void
  info: (details: object, message: string) => void
  warn: (details: object, message: string) => void
  error: (details: object, message: string) => void
  child: (bindings: object) => Log
}
