import { benchmarks } from './benchmarks/index.js'
import { header, legend, rowText } from './report.js'

/** After this long a benchmark is stuck: it waits for something that a server has not sent. */
const PATIENCE_MS = 900_000

/**
 * Compares the server with bare ones, side by side in one run, and prints the ratios. Keeps no figure.
 * Arguments name the benchmarks to run; without any, all run. A missed target is reported and is no failure.
 */
const names = process.argv.length > 2 ? process.argv.slice(2) : [...benchmarks.keys()]
const unknown = names.find(name => !benchmarks.has(name))
if (unknown !== undefined) {
  throw new Error(`there is no benchmark "${unknown}"; there are: ${[...benchmarks.keys()].join(', ')}`)
}

console.log(header())
for (const name of names) {
  const stuck = setTimeout(() => { throw new Error(`${name} does not come to an end`) }, PATIENCE_MS)
  for (const row of await benchmarks.get(name)?.() ?? []) console.log(rowText(row))
  clearTimeout(stuck)
}
console.log(legend)
