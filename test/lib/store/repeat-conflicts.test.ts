import { TransactionConflictError } from '@hamicek/noex-store'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { repeatConflicts } from '../../../lib/store/repeat-conflicts.js'
import { SharedStore } from '../../../lib/store/shared-store.js'
import { startStore } from '../../support/service.js'

/** Resolves with `outcome`, or with `waits` when that takes several turns of the event loop. */
async function soon (outcome: Promise<string>): Promise<string> {
  const waits = async (): Promise<string> => {
    for (let turn = 0; turn < 5; turn++) await setImmediate()
    return 'waits'
  }
  return await Promise.race([outcome, waits()])
}

t.test('a transaction that is repeated has its turn until the step that commits', async t => {
  const sharedStore = SharedStore.of(await startStore(t))
  let makeDurable = (): void => {}
  const durable = new Promise<void>(resolve => { makeDurable = resolve })
  let commit = (): void => {}
  const committed = new Promise<void>(resolve => { commit = resolve })

  const overtakenOnce = (work: (committing: () => void) => Promise<string>): Promise<string> => {
    let tries = 0
    return repeatConflicts(sharedStore, async committing => {
      if (tries++ === 0) throw new TransactionConflictError('items', 'a', 'Another writer was faster')
      return await work(committing)
    })
  }
  const first = overtakenOnce(async committing => {
    await committed
    committing()
    await durable
    return 'first'
  })
  const second = overtakenOnce(async () => 'second')
  t.equal(await soon(second), 'waits', 'for the commit of the one before')
  commit()
  t.equal(await soon(second), 'second', 'but not for the disk')
  t.equal(await soon(first), 'waits')
  makeDurable()
  t.equal(await first, 'first')
})

t.test('one that was overtaken in the step that commits has another turn', async t => {
  const sharedStore = SharedStore.of(await startStore(t))
  let tries = 0
  const entered: number[] = []
  const takeTurn = sharedStore.repeats.takeTurn.bind(sharedStore.repeats)
  sharedStore.repeats.takeTurn = async () => {
    entered.push(tries)
    return await takeTurn()
  }
  t.equal(await repeatConflicts(sharedStore, async committing => {
    committing()
    if (++tries < 3) throw new TransactionConflictError('items', 'a', 'The bucket has been defined anew')
    return 'done'
  }), 'done')
  t.same(entered, [1, 2])
})
