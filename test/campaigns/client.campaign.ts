// Clients over a network that cuts, stalls and half-opens their links again and again, while they write with
// `retry`: each write is done once, and at the end every live query shows what the store has. Prints what it
// counts, and the seed. CLIENTS, WRITES and FAULTS make it shorter or longer, SEED repeats its choice of
// faults (not their timing).
import t from 'tap'
import { writeOverFailingLinks } from '../support/failing-links.js'

const clients = Number(process.env['CLIENTS'] ?? 5)
const writes = Number(process.env['WRITES'] ?? 10_000)
const faults = Number(process.env['FAULTS'] ?? 1_000)
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

t.test(`${clients} clients, ${writes} writes, ${faults} faults`, { timeout: 3_600_000 }, async t => {
  t.comment(`SEED=${seed}`)
  const began = performance.now()
  const done = await writeOverFailingLinks(t, { seed, clients, writes, faults })
  const { cut, stall, 'half-open': halfOpen } = done.faults
  const seconds = Math.round((performance.now() - began) / 1_000)
  t.comment(
    `${writes} writes, ${cut} links cut, ${stall} stalled, ${halfOpen} half open; ${done.connections} ` +
      `connections; ${done.compared} live queries compared; ${seconds} s`
  )
  t.equal(cut + stall + halfOpen, faults)
})
