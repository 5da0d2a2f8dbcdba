/** A line of the log, parsed. */
export type LogLine = Record<string, any>

/** Builds the options of a Fastify logger that adds its lines, from `level` up, to `lines`. */
export function logInto (lines: any[], level = 'warn') {
  return { level, stream: { write (line: string) { lines.push(JSON.parse(line)) } } }
}

/** Builds such options, and what returns everything that was logged, as it was written. */
export function logText (level = 'warn') {
  const lines: string[] = []
  const logger = { level, stream: { write (line: string) { lines.push(line) } } }
  return { logger, logged: () => lines.join('') }
}
