import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { Turns } from '../../../lib/procedures/turns.js'
import { SharedStore } from '../../../lib/store/shared-store.js'
import { startStore } from '../../support/service.js'

t.test('transactions of procedures take turns', async t => {
  const store = await startStore(t)
  const turns = Turns.of(SharedStore.of(store))
  t.equal(Turns.of(SharedStore.of(store)), turns, 'there is one for each store')

  const order: string[] = []
  const run = async (name: string): Promise<void> => {
    const leave = await turns.begin()
    order.push(`${name} begins`)
    for (let i = 0; i < 20; i++) await Promise.resolve()
    order.push(`${name} ends`)
    leave()
    leave()
  }
  await Promise.all(['a', 'b', 'c'].map(run))
  t.same(order, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
})

t.test('one that waits for longer than a turn of the event loop lets the next one run', async t => {
  const turns = Turns.of(SharedStore.of(await startStore(t)))
  const leaveLate = await turns.begin()
  const leave = await turns.begin()
  let isThird = false
  const third = Promise.resolve(turns.begin()).then(leave => {
    isThird = true
    return leave
  })
  leaveLate()
  await Promise.resolve()
  t.notOk(isThird, 'what ends late ends its own turn only')
  leave()
  const leaveThird = await third
  leaveThird()
  for (let i = 0; i < 5; i++) await setImmediate()
  ;(await turns.begin())()
})
