import { setImmediate as nextTurn } from 'node:timers/promises'

/** Time that lines are parsed or made before other work has its turn, in milliseconds. */
const SLICE_MS = 5
/** Characters of one part. */
const PART = 262_144

/** Calls `visit` with each line, in slices: other work has its turn between them. */
export async function inSlices (lines: Iterable<string>, visit: (line: string) => void): Promise<void> {
  let began = performance.now()
  for (const line of lines) {
    visit(line)
    if (performance.now() - began < SLICE_MS) continue
    await nextTurn()
    began = performance.now()
  }
}

/**
 * Sends lines in parts, none of which holds up the event loop. One part is sent at a time, so that a slow
 * disk holds back the making of the next.
 */
export async function sendLines (
  lines: Iterable<string>, send: (lines: string) => Promise<void>
): Promise<void> {
  let part: string[] = []
  let length = 0
  let began = performance.now()
  for (const line of lines) {
    part.push(line)
    length += line.length
    if (length < PART && performance.now() - began < SLICE_MS) continue
    await send(part.join('\n'))
    await nextTurn()
    part = []
    length = 0
    began = performance.now()
  }
  if (part.length > 0) await send(part.join('\n'))
}
