import t from 'tap'
import { dispatch, type DispatchContext, type Requester } from '../../../lib/connection/dispatch.js'

const trap = (): never => { throw new Error('trapped') }

/** Parts of a service of which nothing works that `broken` names. */
function parts (...broken: string[]): DispatchContext {
  const or = (name: string, right: () => unknown) => broken.includes(name) ? trap : right
  const operation = {
    name: 'x.y',
    tier: 'admin',
    accessLevel: 'session',
    validate: or('validate', () => {}),
    resourceOf: or('resourceOf', () => '*'),
    run: or('run', async () => 1)
  }
  const work = { get spent () { return or('spent', () => 0)() } }
  const clock = { ticks: or('ticks', () => 0) }
  const store = { beginRead: or('beginRead', () => () => undefined) }
  const services = { trail: undefined, clock, sharedStore: { store } }
  const stubs = {
    registry: { find: () => operation },
    authorizer: { isStale: or('isStale', () => false), admit: () => ({ work, assertStillAllowed () {} }) },
    limiter: { count: () => undefined, charge: (_u: string, _k: string, spent: number) => spent },
    requestMetrics: { ended: or('requestMetrics', () => {}) },
    services,
    exposeErrorDetails: true
  }
  return stubs as unknown as DispatchContext
}

async function repliesOf (to: DispatchContext, thrown?: () => never): Promise<string[]> {
  const replies: string[] = []
  const caller = {
    session: undefined,
    addressKey: '',
    reply: ({ text }: { readonly text: string }) => {
      replies.push(text)
      thrown?.()
    },
    logFailure () {}
  }
  await dispatch('{"id":1,"type":"x.y"}', caller as unknown as Requester, to)
  return replies
}

t.test('a request has exactly one reply, also when a part of the service fails', async t => {
  t.same(await repliesOf(parts()), ['{"id":1,"type":"result","data":1}'])
  for (const broken of [['run'], ['validate'], ['run', 'resourceOf'], ['isStale'], ['ticks'], ['spent']]) {
    const replies = await repliesOf(parts(...broken))
    t.equal(replies.length, 1, broken.join())
    t.match(replies[0], /^{"id":1,"type":"error","code":"INTERNAL_ERROR"/, broken.join())
  }
  t.equal((await repliesOf(parts('requestMetrics'))).length, 1)
  t.equal((await repliesOf(parts(), trap)).length, 1, 'also when what follows the reply fails')
})
