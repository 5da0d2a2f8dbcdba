/** JSON that is in messages to many clients: its bytes are made once for all of them. */
export class SharedJson {
  readonly text: string
  #bytes: Buffer | undefined

  constructor (text: string) {
    this.text = text
  }

  /** Made on first use. */
  get bytes (): Buffer {
    this.#bytes ??= Buffer.from(this.text)
    return this.#bytes
  }
}

/** A text that has shared JSON in it, between two short texts of its own. */
export class SharingText {
  readonly before: string
  readonly shared: SharedJson
  readonly after: string

  constructor (before: string, shared: SharedJson, after: string) {
    this.before = before
    this.shared = shared
    this.after = after
  }

  /** In characters. */
  get length (): number {
    return this.before.length + this.shared.text.length + this.after.length
  }

  /** Returns this text between two others. */
  between (before: string, after: string): SharingText {
    return new SharingText(before + this.before, this.shared, this.after + after)
  }

  toString (): string {
    return this.before + this.shared.text + this.after
  }
}
