/** A sink cannot write as things are, and waiting does not help. */
export class SinkRefusal extends Error {
  /** The same in a few words that show nothing: `/healthz` shows them. */
  readonly reason: string

  constructor (message: string, reason: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}
