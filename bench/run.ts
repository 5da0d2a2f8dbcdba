import { parseArguments } from './arguments.js'
import { benchmarks } from './benchmarks/index.js'
import { comparePeers, rowsOf, type Comparison } from './benchmarks/peers.js'
import { writeReadme } from './readme.js'
import { header, legend, rowText } from './report.js'

/** After this long a benchmark is stuck: it waits for something that a server has not sent. */
const PATIENCE_MS = 3_600_000

/**
 * Compares the server with bare ones, side by side in one run, and prints the ratios. Arguments name the
 * benchmarks to run; without any, all run. A missed target is reported and is no failure.
 */
const all = [...benchmarks.keys()]
const quick = all.filter(name => benchmarks.get(name)?.hasQuick)
const { names, isQuick, isReadme } = parseArguments(process.argv.slice(2), { all, quick })

console.log(header())
for (const name of names) {
  const stuck = setTimeout(() => { throw new Error(`${name} does not come to an end`) }, PATIENCE_MS)
  if (isReadme) {
    const comparisons: Comparison[] = []
    for await (const comparison of comparePeers(isQuick)) {
      comparisons.push(comparison)
      for (const row of rowsOf(comparison)) console.log(rowText(row))
    }
    await writeReadme(comparisons)
  } else {
    for await (const row of await benchmarks.get(name)?.run(isQuick) ?? []) console.log(rowText(row))
  }
  clearTimeout(stuck)
}
console.log(legend)
