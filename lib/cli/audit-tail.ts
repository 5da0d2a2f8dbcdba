import { findSegments, type Segment } from '../audit/file/segments.js'
import { findLastLines } from '../audit/file/trail-lines.js'
import { readItems, type TrailItem } from '../audit/file/trail-reader.js'
import { OK, UsageError, runCommand, toInteger, type CommandIo } from './command.js'
import { followTrail } from './follow.js'

const help = `Usage: fastify-noex audit tail [options] FILE

Prints the last entries of an audit trail. A FILE like audit.jsonl stands for its whole trail, any other for
itself.

Options:
  -n, --lines N  how many lines; default: 20
  -f, --follow   go on with what is written later, also after the file has been closed and a new one begun
  --json         print the stored lines, as in a pipe
  --pretty       print for people, as on a terminal
  -h, --help     print this

Exit codes: 0 done, 2 wrong usage or unreadable file.`

const options = {
  lines: { type: 'string', short: 'n', default: '20' },
  follow: { type: 'boolean', short: 'f', default: false }
} as const

/** Minimum number of last lines that are read, to find the number of the last entry. */
const MIN_LINES = 20

/** `fastify-noex audit tail`. Resolves with the exit code. */
export async function auditTail (args: readonly string[], io: CommandIo): Promise<number> {
  return await runCommand({
    help,
    options,
    async run ({ values, files, printer, signal }) {
      const [file, another] = files
      if (another !== undefined) throw new UsageError('tail takes one file')
      const count = toInteger('--lines', values.lines, 0)
      let lastSeq = 0
      for await (const { item, age } of lastItems(file, Math.max(count, MIN_LINES))) {
        if (signal.aborted) return OK
        lastSeq = item.entry?.seq ?? lastSeq
        if (age < count) await printer.print(item)
      }
      if (values.follow) {
        for await (const item of followTrail(file, lastSeq, signal)) await printer.print(item)
      }
      return OK
    }
  }, args, io)
}

/**
 * Yields the last lines of a trail, oldest first. `age` is the number of lines after it. Lines that are
 * written meanwhile are not included.
 */
async function * lastItems (
  file: string,
  count: number
): AsyncGenerator<{ item: TrailItem, age: number }, void, undefined> {
  const { starts, lines } = await findStarts(await findSegments([file]), count)
  let age = lines
  for (const [file, start] of starts) {
    for await (const item of readItems(file, { start })) {
      yield { item, age: --age }
      if (age === 0) return
    }
  }
}

/** Finds the positions of the last `count` lines in each segment that has some of them, and their number. */
async function findStarts (
  segments: readonly Segment[],
  count: number
): Promise<{ starts: Array<[string, number]>, lines: number }> {
  const starts: Array<[string, number]> = []
  let lines = 0
  for (const { file } of [...segments].reverse()) {
    const found = await findLastLines(file, count - lines)
    starts.unshift([file, found.start])
    lines += found.lines
    if (lines === count) break
  }
  return { starts, lines }
}
