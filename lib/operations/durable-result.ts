/** The result of an operation that has waited itself until all that it shows is durable. */
export class DurableResult {
  readonly data: unknown

  constructor (data: unknown) {
    this.data = data
  }
}
