import type { JournalFormat } from '@hamicek/noex-journal'
import { emptyChain, hashOf, parseLine, seal, type ChainHead } from '../chain/chain.js'
import { MAX_LINE_BYTES } from './trail-lines.js'

/** The lines of a trail for its journal: each has the number and the hash that chain it to the one before. */
export const trailFormat: JournalFormat<ChainHead> = {
  start: emptyChain,
  maxLineBytes: MAX_LINE_BYTES,
  numberOf: ({ seq }) => seq,
  seal (json, previous) {
    const { line, seq, hash } = seal(json, previous)
    return { line, head: { seq, hash } }
  },
  follow (text, before) {
    const line = parseLine(text)
    if (line === undefined) return undefined
    const { seq, hash, body } = line
    // The very first line of a trail needs nothing before it.
    const previous = before ?? (seq === 1 ? emptyChain : undefined)
    const follows = previous === undefined ||
      (seq === previous.seq + 1 && hashOf(body, previous.hash) === hash)
    return follows ? { seq, hash } : undefined
  }
}
