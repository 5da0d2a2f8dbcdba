import t from 'tap'
import { LiveQuery, type LiveQueryHost } from '../../../lib/subscriptions/live-query.js'
import type { LiveQueryListener } from '../../../lib/subscriptions/live-query-listeners.js'
import type { LiveSource, PageEnds } from '../../../lib/subscriptions/live-source.js'

const scope = { key: '', rows: () => true }
const request = { query: 'q', params: undefined, page: undefined, scope, owner: 'c', account: 'u' }

/** A result that the test sets. */
class FakeSource {
  readonly keyField = 'id'
  readonly isBehind = false
  readonly bytes = 0
  readonly text = undefined
  revision = 1
  ids: number[] = []
  page: PageEnds | undefined

  get size (): number { return this.ids.length }
  async fresh (): Promise<void> {}
  result (): object[] { return this.ids.map(id => ({ id })) }
  indexOf (key: unknown): number { return this.ids.indexOf(key as number) }
  row (key: unknown): object | undefined { return this.indexOf(key) === -1 ? undefined : { id: key } }
  follow (): void {}
  touchesSince (): undefined {}
  retry (): void {}
  close (): void {}
}

interface Watched {
  readonly source: FakeSource
  readonly liveQuery: LiveQuery
}

/** A live query with one subscriber. */
async function watched (ids: number[]): Promise<Watched> {
  const source = new FakeSource()
  source.ids = ids
  const ignore = (): void => {}
  const host: LiveQueryHost = {
    history: 'e',
    isAnnouncing: false,
    isChanged: () => false,
    identityOf: () => '',
    costOf: () => undefined,
    metrics: { update (_, publish) { publish() } },
    sourceOf: () => source as unknown as LiveSource,
    find: () => liveQuery,
    presentFor: () => liveQuery,
    onChanged: ignore,
    admit: ignore,
    onGrown: ignore,
    onText: ignore,
    onUsed: ignore,
    onAbandoned: ignore,
    onEnded: ignore,
    onFailure: (_, error) => { throw error }
  }
  const liveQuery: LiveQuery = new LiveQuery(request, host)
  const callbacks = { onChange: ignore, onFresh: ignore, onSettled: ignore, onEvaluated: ignore }
  const others = { onRegroup: ignore, onEnd: ignore }
  await liveQuery.join({ request, isDelta: true, isAhead: () => false, ...callbacks, ...others })
  return { source, liveQuery }
}

t.test('a client that has a row which has come and gone meanwhile gets a delta of its own', async t => {
  const { source, liveQuery } = await watched([30])
  const { epoch } = liveQuery
  source.ids = [18]
  source.revision = 2
  liveQuery.onChange(2, [{ key: 30, wasIn: true, moved: false }, { key: 18, wasIn: false, moved: true }])
  source.ids = [58]
  source.revision = 3
  liveQuery.onChange(3, [{ key: 18, wasIn: true, moved: false }, { key: 58, wasIn: false, moved: true }])
  liveQuery.publish()
  t.equal(liveQuery.updates.isShared({ epoch, revision: 1 }, 3), true)
  t.equal(liveQuery.updates.isShared({ epoch, revision: 2 }, 3), false)
  const delta = JSON.parse(String(liveQuery.updates.since({ epoch, revision: 2 })?.delta))
  t.same(delta, { upsert: [{ id: 58 }], remove: [18] })
})

t.test('a client that came between a change and its opposite hears of it, and no other does', async t => {
  const { source, liveQuery } = await watched([1])
  const heard: string[] = []
  const listener = (name: string, joinedAt: number): LiveQueryListener => ({
    request,
    isDelta: true,
    isAhead: (_version, revision) => joinedAt > revision,
    onChange () { heard.push(name) },
    onFresh () {},
    onSettled () {},
    onEvaluated () {},
    onRegroup () {},
    onEnd () {}
  })
  await liveQuery.join(listener('early', 1))
  source.ids = [1, 2]
  source.revision = 2
  liveQuery.onChange(2, [{ key: 2, wasIn: false, moved: true }])
  await liveQuery.join(listener('between', 2))
  source.ids = [1]
  source.revision = 3
  liveQuery.onChange(3, [{ key: 2, wasIn: true, moved: false }])
  liveQuery.publish()
  t.same(heard, ['between'])
  const { epoch } = liveQuery
  t.match(liveQuery.updates.since({ epoch, revision: 2 }), { delta: '{"upsert":[],"remove":[2]}' })
})

t.test('a client with frames of its own hears of ends of a page that change without a row', async t => {
  const { source, liveQuery } = await watched([1])
  const { epoch } = liveQuery
  source.page = { hasMore: false, nextCursor: 'x' }
  liveQuery.publish()
  source.page = { hasMore: true, nextCursor: 'x' }
  source.revision = 2
  liveQuery.onChange(2, [])
  liveQuery.publish()
  const delta = JSON.parse(String(liveQuery.updates.since({ epoch, revision: 1 })?.delta))
  t.same(delta, { upsert: [], remove: [] })
  t.equal(liveQuery.updates.since({ epoch, revision: 2 }), undefined)
})
