/** Builds the options of a Fastify logger that adds its lines, from `level` up, to `lines`. */
export function logInto (lines: any[], level = 'warn') {
  return { level, stream: { write (line: string) { lines.push(JSON.parse(line)) } } }
}
