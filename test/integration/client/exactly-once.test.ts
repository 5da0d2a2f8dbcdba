import t from 'tap'
import { writeOverFailingLinks } from '../../support/failing-links.js'

t.test('writes that are retried over failing links are done once, and live queries are right', async t => {
  const seed = Date.now() % 2 ** 31
  t.comment(`SEED=${seed}`)
  const { faults } = await writeOverFailingLinks(t, { seed, clients: 3, writes: 600, faults: 60 })
  t.equal(faults.cut + faults.stall + faults['half-open'], 60)
})
