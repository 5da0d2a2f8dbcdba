import t from 'tap'
import { ForcedClose } from '../../../lib/connection/forced-close.js'
import type { Operation } from '../../../lib/operations/operation.js'

/** A connection that writes down what is done with it. */
function owner () {
  const done: string[] = []
  let afterReply: (() => void) | undefined
  const connection = {
    done,
    isOpen: true,
    answering: undefined as Operation | undefined,
    principal: { end () { done.push('end of the session') } },
    flow: { afterReplies (work: () => void) { afterReply = work } },
    notify (message: { readonly type: string, readonly event?: string }) { done.push(String(message.event)) },
    close ({ reason }: { readonly reason: string }) {
      if (!connection.isOpen) return
      connection.isOpen = false
      done.push(`close ${reason}`)
    },
    recordClose ({ reason }: { readonly reason: string }, isRecorded: boolean) {
      if (!isRecorded) done.push(`record ${reason}`)
    },
    reply () { afterReply?.() }
  }
  return connection
}

const revoked = ['record session_revoked', 'end of the session', 'session_revoked', 'close session_revoked']
const byOperator = { text: 'x', isRecorded: true, afterReply: false }

t.test('a revocation ends the session first, then tells the client, and closes', t => {
  const one = owner()
  const forced = new ForcedClose(one)
  t.equal(forced.endSession(false), true)
  t.equal(forced.hasBegun, true)
  t.equal(forced.endSession(false), false, 'once')
  forced.closeRevoked('why', false)
  t.same(one.done, revoked)
  t.equal(forced.closeByOperator(byOperator), false, 'it is closed')
  t.end()
})

t.test('a client that has asked for it is answered first', t => {
  const one = owner()
  const forced = new ForcedClose(one)
  t.equal(forced.closeByOperator({ ...byOperator, afterReply: true }), true)
  t.same([one.done, one.isOpen, forced.hasBegun], [[], true, true])
  t.equal(forced.closeByOperator(byOperator), false, 'it is about to close')
  one.reply()
  t.same(one.done, ['closed_by_operator', 'close closed_by_operator'])
  t.end()
})

t.test('a client that waits for the reply to its own close is revoked at once', t => {
  const one = owner()
  const forced = new ForcedClose(one)
  forced.closeByOperator({ ...byOperator, afterReply: true })
  forced.revoke('why')
  t.same(one.done, revoked)
  one.reply()
  t.equal(one.done.length, 5, 'the notice of a closed connection goes nowhere')
  t.end()
})

t.test('a user who ends the own account by an operation for administrators is answered first', t => {
  for (const accessLevel of ['admin', 'superadmin', 'permission'] as const) {
    const one = owner()
    one.answering = { accessLevel } as Operation
    new ForcedClose(one).revoke('why')
    t.equal(one.isOpen, accessLevel !== 'permission', accessLevel)
    one.reply()
    t.equal(one.isOpen, false)
  }
  t.end()
})

t.test('a sink that closes the connection when the revocation is recorded is no harm', t => {
  const one = owner()
  one.recordClose = () => { one.close({ reason: 'by the sink' }) }
  t.equal(new ForcedClose(one).endSession(false), false)
  t.same(one.done, ['close by the sink'])
  t.end()
})
