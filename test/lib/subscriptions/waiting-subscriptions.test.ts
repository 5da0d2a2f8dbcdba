import t from 'tap'
import { SubscriptionQuota } from '../../../lib/limits/subscription-quota.js'
import type { LiveQuery } from '../../../lib/subscriptions/live-query.js'
import type { LiveQueries } from '../../../lib/subscriptions/live-queries.js'
import { Publisher } from '../../../lib/subscriptions/publisher.js'
import type { QuerySubscription } from '../../../lib/subscriptions/query-subscription.js'
import type { PushTarget } from '../../../lib/subscriptions/subscriber.js'
import { WaitingSubscriptions, type WaitingHost } from '../../../lib/subscriptions/waiting-subscriptions.js'
import { turns } from '../../support/event-loop.js'
import { silentLog } from '../../support/silent-log.js'

/** The subscriptions of a connection, of which one waits; timers fire when the test says so, at any time. */
function waiting () {
  const state = { revision: 1, isBusy: false }
  const publisher = new Publisher(state, silentLog)
  const sent: string[] = []
  const target: PushTarget & { isCongested: boolean } = {
    isCongested: false,
    send: text => { sent.push(text) },
    sendFrame: () => {},
    sendLast: () => {}
  }
  const host = {
    hasDeltas: true,
    isAwaiting: false as boolean,
    shown: Infinity,
    mayPush: () => true,
    isCurrent: () => true,
    shownTo: (): number => host.shown
  } satisfies WaitingHost & { shown: number }
  const timers: Array<() => void> = []
  const clock = {
    now: () => 0,
    ticks: () => 0,
    after: (_delayMs: number, callback: () => void) => {
      timers.push(callback)
      return () => {}
    }
  }
  const quota = new SubscriptionQuota(
    { maxSubscriptionsPerConnection: 9, maxTotalSubscriptions: 9 }, { count () {} } as never
  )
  const liveQueries = { clock, publisher } as unknown as LiveQueries
  const subscription = {
    isReady: true,
    isDelta: true,
    whole: undefined,
    interval: undefined,
    isCatchingUp: () => false,
    isSharing: () => true,
    sendShared: () => { sent.push('push') }
  } as unknown as QuerySubscription
  const subscriptions = new WaitingSubscriptions(host, target, quota, liveQueries)
  return { subscriptions, subscription, publisher, state, host, target, timers, sent }
}

const notice = (revision: number): string => `{"type":"system","event":"revision","revision":${revision}}`

t.test('results wait for one that is being evaluated until the timer fires, however early', async t => {
  const { subscriptions, subscription, host, timers, sent } = waiting()
  host.isAwaiting = true
  subscriptions.add(subscription)
  await turns()
  t.same(sent, [])
  t.equal(timers.length, 1)
  timers[0]?.()
  await turns()
  t.same(sent, ['push'])
})

t.test('a revision is announced at once where all show it, or at the end of a round', async t => {
  const { subscriptions, subscription, publisher, host, sent } = waiting()
  subscriptions.announce(1)
  t.same(sent, [notice(1)])
  host.shown = 0
  subscriptions.announce(1)
  subscriptions.add(subscription)
  await turns()
  t.same(sent.splice(0), [notice(1), 'push'])
  t.equal(publisher.announcing, 1)
  host.shown = 1
  subscriptions.look()
  await turns()
  t.same(sent, [notice(1)])
  t.equal(publisher.announcing, 0)
  subscriptions.look()
  await turns()
  t.equal(sent.length, 1)
})

t.test('it waits for the views, without a turn in between while a commit is being put in', async t => {
  const { subscriptions, publisher, state, host, sent } = waiting()
  host.shown = 1
  state.isBusy = true
  subscriptions.announce(2)
  await turns()
  t.same(sent, [])
  host.shown = state.revision = 2
  state.isBusy = false
  publisher.schedule()
  await turns()
  t.same(sent, [notice(2)])
})

t.test('it waits for a client that does not read, where that is to be shown something', async t => {
  const { subscriptions, subscription, target, sent } = waiting()
  target.isCongested = true
  subscriptions.announce(1)
  t.same(sent.splice(0), [notice(1)], 'nothing is to be shown')
  subscriptions.add(subscription)
  subscriptions.announce(1)
  await turns()
  t.same(sent, [])
  target.isCongested = false
  subscriptions.resume()
  t.same(sent, ['push', notice(1)])
})

t.test('a client that reads again is shown what is published, together with what is about to be', async t => {
  const { subscriptions, subscription, publisher, target, sent } = waiting()
  target.isCongested = true
  subscriptions.add(subscription)
  await turns()
  const sendShared = (): void => { sent.push('the other') }
  const other = { ...subscription, sendShared } as unknown as QuerySubscription
  publisher.add({ publish: () => { subscriptions.add(other) } } as unknown as LiveQuery)
  target.isCongested = false
  subscriptions.resume()
  t.same(sent, [], 'the other would follow by itself, as of the same moment')
  await turns()
  t.same(sent, ['push', 'the other'])
})

t.test('nothing is announced after the end', async t => {
  const { subscriptions, publisher, host, sent } = waiting()
  host.shown = 0
  subscriptions.announce(1)
  t.equal(publisher.announcing, 1)
  subscriptions.close()
  t.equal(publisher.announcing, 0)
  subscriptions.announce(1)
  host.shown = 1
  subscriptions.look()
  await turns()
  t.same([sent, publisher.announcing], [[], 0])
})
