/** The part of Fastify's logger that the service uses. */
export interface Log {
  info: (details: object, message: string) => void
  warn: (details: object, message: string) => void
  error: (details: object, message: string) => void
  child: (bindings: object) => Log
}
