// Runs one simulation: SEED, CLIENTS, OPERATIONS, MARK_EVERY, VIEWS, WITHOUT (kinds of operations, by
// commas). Prints what was done and a digest, which is the same for the same seed; ends with 1 at the first
// fault, whose seed it tells. TRACE=1 tells all messages of the client that has found it.
import { seed } from './globals.js'
import { Simulation } from './simulation.js'

const number = (name: string, fallback: number): number => Number(process.env[name] ?? fallback)
const { hrtime } = process
const began = hrtime.bigint()
const simulation = new Simulation({
  seed,
  clients: number('CLIENTS', 50),
  operations: number('OPERATIONS', 10_000),
  markEvery: number('MARK_EVERY', 1_000),
  views: number('VIEWS', 6),
  without: new Set(process.env['WITHOUT']?.split(','))
})
try {
  const digest = await simulation.run()
  console.log(JSON.stringify({ seed, digest, ...simulation.counts, ...simulation.done }))
  console.log(`${Number((hrtime.bigint() - began) / 1_000_000n)} ms`)
  process.exit(0)
} catch (error) {
  console.log(JSON.stringify({ ...simulation.counts, ...simulation.done }))
  console.error(error)
  console.error(`SEED=${seed} repeats it`)
  process.exit(1)
}
