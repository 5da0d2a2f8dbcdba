import t from 'tap'
import { dispatch, type DispatchContext, type RequestClient } from '../../../lib/connection/dispatch.js'

const trap = (): never => { throw new Error('trapped') }

/** Returns the parts of a service, of which those that `broken` names throw. */
function parts (...broken: string[]): { context: DispatchContext, isStale: () => unknown } {
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
  const server = { trail: undefined, clock, sharedStore: { store } }
  const stubs = {
    registry: { find: () => operation },
    authorizer: { authorize: () => ({ work, assertStillAllowed () {} }) },
    limiter: { count: () => undefined, charge: (_u: string, _k: string, spent: number) => spent },
    requestMetrics: { ended: or('requestMetrics', () => {}) },
    server,
    refusals: { add () {} },
    exposeErrorDetails: true
  }
  return { context: stubs as unknown as DispatchContext, isStale: or('isStale', () => false) }
}

async function repliesOf (
  { context, isStale }: ReturnType<typeof parts>, thrown?: () => never
): Promise<string[]> {
  const replies: string[] = []
  const reply = ({ text }: { readonly text: string }) => {
    replies.push(text)
    thrown?.()
  }
  const principal = {
    session: undefined,
    get isStale () { return isStale() }
  }
  const caller = {
    principal,
    addressKey: '',
    flow: { reply },
    logFailure () {}
  }
  await dispatch('{"id":1,"type":"x.y"}', caller as unknown as RequestClient, context)
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
