import fc from 'fast-check'
import { test } from 'tap'
import { anyDefinitions } from './definitions.js'
import { History, type Tally } from './history.js'
import { anyOperation } from './operations.js'

/** Operations of a run; `DIFFERENTIAL_OPERATIONS=1000000` for the whole. */
const OPERATIONS = Number(process.env['DIFFERENTIAL_OPERATIONS'] ?? 6_000)
const LENGTH = 60

test('random histories are those of the registry\'s package, but for the table of differences', async t => {
  const tally: Tally = new Map()
  const operations = fc.array(anyOperation, { minLength: 1, maxLength: LENGTH, size: 'max' })
  await fc.assert(fc.asyncProperty(anyDefinitions, operations, async (definitions, history) => {
    await History.run(definitions, history, tally)
  }), { numRuns: Math.ceil(OPERATIONS / (LENGTH / 2)), interruptAfterTimeLimit: 3_600_000 })
  for (const [name, count] of tally) t.comment(`${count} × ${name}`)
})
