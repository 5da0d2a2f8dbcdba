import fc from 'fast-check'
import { test } from 'tap'
import { anyDefinitions } from './definitions.js'
import { History, type Tally } from './history.js'
import { anyOperation } from './operations.js'
import { repetitions } from '../support/campaign.js'

/** Operations of a run, about. */
const OPERATIONS = Number(process.env['DIFFERENTIAL_OPERATIONS'] ?? repetitions(1_000_000, 6_000))
/** Most operations of one history. */
const LENGTH = 60
const HOUR = 3_600_000

const title = 'random histories are those of the registry\'s package, but for the table of differences'

test(title, { timeout: HOUR }, async t => {
  const tally: Tally = new Map()
  const operations = fc.array(anyOperation, { minLength: 1, maxLength: LENGTH, size: 'max' })
  await fc.assert(fc.asyncProperty(anyDefinitions, operations, async (definitions, history) => {
    await History.run(definitions, history, tally)
  }), { numRuns: Math.ceil(OPERATIONS / (LENGTH / 2)), interruptAfterTimeLimit: HOUR })
  for (const [name, count] of tally) t.comment(`${count} × ${name}`)
})
