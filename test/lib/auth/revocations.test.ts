import t from 'tap'
import { Revocations } from '../../../lib/auth/revocations.js'
import { FakeClock } from '../../support/fake-clock.js'

const user = (userId: string, ...roles: string[]) => ({ userId, roles })

t.test('a user is revoked for a time, which begins anew', t => {
  const clock = new FakeClock()
  const revocations = new Revocations(1_000, clock)
  revocations.add('a')
  clock.turn(999)
  t.ok(revocations.has('a'))
  revocations.add('a')
  clock.turn(999)
  t.ok(revocations.bars(user('a'), revocations.mark))
  clock.turn(1)
  t.notOk(revocations.has('a'))
  t.notOk(revocations.bars(user('a'), revocations.mark))
  t.end()
})

t.test('a role bars logins that began before its revocation, and no others', t => {
  const revocations = new Revocations(1_000, new FakeClock())
  const before = revocations.mark
  revocations.addRole('reader')
  const between = revocations.mark
  t.ok(revocations.bars(user('a', 'clerk', 'reader'), before))
  t.notOk(revocations.bars(user('a', 'clerk'), before))
  t.notOk(revocations.bars(user('a', 'reader'), between))
  revocations.addRole('clerk')
  t.notOk(revocations.bars(user('a', 'reader'), between), 'another role since')
  t.ok(revocations.bars(user('a', 'clerk'), between))
  revocations.addRole('reader')
  t.ok(revocations.bars(user('a', 'reader'), between), 'again since')
  revocations.addRole(undefined)
  t.ok(revocations.bars(user('a'), between), 'all of them')
  t.notOk(revocations.bars(user('a', 'reader', 'clerk'), revocations.mark))
  t.end()
})

t.test('of a great many roles the oldest are forgotten, and then bar every login before', t => {
  const revocations = new Revocations(1_000, new FakeClock())
  const before = revocations.mark
  revocations.addRole('first')
  const after = revocations.mark
  for (let i = 0; i < 1_000; i++) revocations.addRole(`r${i}`)
  t.ok(revocations.bars(user('a', 'first'), before))
  t.ok(revocations.bars(user('a', 'other'), before), 'rather one too many than one too few')
  t.notOk(revocations.bars(user('a', 'first'), after))
  t.ok(revocations.bars(user('a', 'r0'), after))
  t.end()
})

t.test('clients may revoke so many users at a time, until the first are free again', t => {
  const clock = new FakeClock()
  const revocations = new Revocations(1_000, clock)
  for (let i = 0; i < 65_535; i++) revocations.add(`u${i}`)
  t.notOk(revocations.isFull)
  clock.turn(500)
  revocations.add('last')
  t.ok(revocations.isFull)
  clock.turn(500)
  t.notOk(revocations.isFull)
  t.ok(revocations.has('last'))
  t.end()
})
