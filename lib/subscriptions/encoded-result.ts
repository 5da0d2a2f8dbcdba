import { hash } from 'node:crypto'
import { encodeListInSlices, encodeQueryResult } from '../protocol/encode.js'
import { textFrame } from '../protocol/frame.js'
import { encodePush } from '../protocol/live-messages.js'
import { SharedJson } from '../protocol/shared-json.js'
import type { LiveSource } from './live-source.js'

/** Rows up to which a list is encoded in one go. */
const MAX_AT_ONCE = 1_000

/** A complete result at one moment. */
export interface WholeResult {
  readonly json: SharedJson
  readonly version: number
  readonly revision: number
}

/** The complete result of one live query: it is encoded once for all, and kept until it is another one. */
export class EncodedResult {
  readonly #source: LiveSource
  /** The subscription id that subscribers share. */
  readonly #id: string
  readonly #onText: (chars: number) => void
  #version = 0
  #whole: { readonly version: number, readonly json: SharedJson } | undefined
  #encoding: Promise<WholeResult> | undefined
  #frame: { readonly version: number, readonly frame: Buffer } | undefined

  /** `onText` is called when the result has been encoded, in so many characters. */
  constructor (source: LiveSource, id: string, onText: (chars: number) => void) {
    this.#source = source
    this.#id = id
    this.#onText = onText
  }

  /** Number of changes of the result: another one for another result. */
  get version (): number {
    return this.#version
  }

  /** Returns a digest of a version of the result; `undefined` where that is not at hand. */
  digestOf (version: number): string | undefined {
    return this.#whole?.version === version ? hash('sha256', this.#whole.json.text) : undefined
  }

  /** Begins another version: the result has changed. */
  outdate (): void {
    this.#version++
  }

  /**
   * Returns the present result; a promise for one that takes long to encode. That may be one whose encoding
   * has begun before, of an earlier version.
   */
  whole (): WholeResult | Promise<WholeResult> {
    const source = this.#source
    const { revision } = source
    const version = this.#version
    if (this.#whole?.version === version) return { json: this.#whole.json, version, revision }
    if (source.text !== undefined) return this.#kept(source.text, version, revision)
    if (this.#encoding !== undefined) return this.#encoding
    const result = source.result()
    const isBig = Array.isArray(result) && result.length > MAX_AT_ONCE
    if (!isBig) return this.#kept(encodeQueryResult(result), version, revision)
    this.#encoding = encodeListInSlices(result).then(
      encoded => this.#kept(encoded, version, revision)
    ).finally(() => { this.#encoding = undefined })
    return this.#encoding
  }

  #kept (text: string, version: number, revision: number): WholeResult {
    const json = new SharedJson(text)
    this.#whole = { version, json }
    this.#onText(text.length)
    return { json, version, revision }
  }

  /** Returns the frame with a complete result, for clients that take no deltas. */
  frame (id: string, { json, version }: WholeResult): Buffer {
    if (id !== this.#id) return textFrame(encodePush(id, json.text))
    if (this.#frame?.version !== version) {
      this.#frame = { version, frame: textFrame(encodePush(id, json.text)) }
    }
    return this.#frame.frame
  }

  /** Frees the text, which can be made again. */
  drop (): void {
    this.#whole = undefined
    this.#frame = undefined
  }
}
