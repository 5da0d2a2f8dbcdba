const START = '{"id":'
const ID_START = START.length
const AFTER_ID = ',"type":"'.length
const COMMA = 0x2c
const ZERO = 0x30
const LETTER_R = 0x72
const PUSH = '{"type":"push"'

/**
 * Tells what a message is: whether it is the result of the request with this number, and undefined where no
 * request waits for it. What does not fit is taken for an error.
 */
export type KindOf = (bytes: Buffer, start: number, end: number, id: number) => boolean | undefined

/** Tells it by the protocol of this server, where pushes are not expected. */
export const isReply: KindOf = (bytes, start, _end, id) => isResultOf(bytes, start, id)

/**
 * Whether the message is the `result` reply to request `id`, told from its first bytes: decoding would cost
 * the driver more than the server.
 */
export function isResultOf (bytes: Buffer, start: number, id: number): boolean {
  let i = start + ID_START
  let found = 0
  for (; bytes[i] !== COMMA && i < start + ID_START + 10; i++) found = found * 10 + (bytes[i] ?? 0) - ZERO
  return found === id && bytes[i + AFTER_ID] === LETTER_R
}

/** The id of the request that the message answers, told in the same way; `NaN` for no reply. */
export function idOf (bytes: Buffer, start: number): number {
  if (bytes.toString('latin1', start, start + ID_START) !== START) return NaN
  return parseInt(bytes.toString('latin1', start + ID_START, start + ID_START + 10), 10)
}

/** Whether the message is a push. */
export function isPush (bytes: Buffer, start: number): boolean {
  return bytes.toString('latin1', start, start + PUSH.length) === PUSH
}
