import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { environment as realEnvironment } from '../../../lib/client/environment.js'
import type { Locks } from '../../../lib/client/tab-transport.js'
import type { Credentials } from '../../../lib/client/types.js'
import { serveTokens, type ServedTokens } from '../../support/external-auth.js'
import { PASSWORD, serveAccounts } from '../../support/identity.js'
import { serve } from '../../support/service.js'
import { openTab, Origin, type ClientTab } from '../../support/tabs.js'
import { until } from '../../support/until.js'

async function areOpen (tabs: ClientTab[]): Promise<void> {
  await until(() => tabs.every(({ client }) => client.state.value === 'open'))
}

/** Serves tokens, and opens so many tabs of one user. */
async function logInTabs (
  t: Test, count: number
): Promise<ServedTokens & { tabs: ClientTab[], origin: Origin }> {
  const served = await serveTokens(t)
  const origin = new Origin()
  const tabs = Array.from({ length: count }, () =>
    openTab(t, origin, served.url, { tabs: 'walt', getToken: () => 'writer' }))
  await areOpen(tabs)
  return { ...served, tabs, origin }
}

t.test('tabs of one user log in once; another user has another connection', async t => {
  const { app, url, asked, tabs, origin } = await logInTabs(t, 3)
  const late = openTab(t, origin, url, { tabs: 'walt', getToken: () => 'writer' })
  await areOpen([late])
  t.equal(asked.length, 1)
  const other = openTab(t, origin, url, { tabs: 'anna', getToken: () => 'admin' })
  await areOpen([other])
  t.equal(app.noex.connectionCount, 2)
  t.same(await Promise.all([...tabs, late, other].map(async ({ client }) =>
    (await client.request('auth.whoami')).userId)), ['walt', 'walt', 'walt', 'walt', 'anna'])
})

for (const place of ['leader', 'follower'] as const) {
  t.test(`a logout in one tab (${place}) is one in all, and a login begins anew`, async t => {
    const { app, tabs, asked } = await logInTabs(t, 3)
    const one = tabs.find(({ tab }) => tab.isLeader === (place === 'leader')) as ClientTab
    const others = tabs.filter(tab => tab !== one)
    const query = others[0]?.client.query('all-items')
    t.teardown(query?.subscribe(() => {}) ?? (() => {}))
    await until(() => query?.status === 'live')
    await one.client.request('auth.logout')
    await until(() => others.every(({ client }) => client.state.value === 'refused'))
    t.match(one.client.state, { value: 'refused', error: { code: 'LOGGED_OUT' } })
    for (const { client } of others) t.match(client.state.error, { code: 'LOGGED_OUT', message: /logged_out/ })
    t.match(query?.state, { data: undefined, status: 'error', error: { code: 'LOGGED_OUT' } })
    await until(() => app.noex.connectionCount === 0)
    for (const { client } of others) client.reconnect()
    await areOpen(others)
    await until(() => query?.status === 'live')
    t.equal(app.noex.connectionCount, 1)
    t.equal(asked.length, 2)
  })
}

t.test('a session that the server ends is made anew by all tabs together', async t => {
  const { url, user, store } = await serveAccounts(t)
  await user('alice', 'writer')
  const origin = new Origin()
  const getToken = (): Credentials => ({ username: 'alice', password: PASSWORD })
  const tabs = Array.from({ length: 3 }, () => openTab(t, origin, url, { tabs: 'alice', getToken }))
  await areOpen(tabs)
  const queries = tabs.map(({ client }) => client.query({ bucket: 'items' }))
  for (const query of queries) t.teardown(query.subscribe(() => {}))
  await until(() => queries.every(({ status }) => status === 'live'))
  const left = tabs.map(async ({ client }) => await new Promise<void>(resolve => {
    t.teardown(client.state.subscribe(() => { if (client.state.value === 'leaving') resolve() }))
  }))
  const sessions = store.bucket('_sessions')
  for (const { id } of await sessions.all()) await sessions.delete(id)
  await Promise.all(left)
  await areOpen(tabs)
  await until(() => queries.every(({ status }) => status === 'live'))
  t.equal((await sessions.all()).length, 1, 'they log in once')
})

t.test('a session that is revoked ends in all tabs', async t => {
  const { app, tabs } = await logInTabs(t, 3)
  app.noex.revokeSession('walt')
  await until(() => tabs.every(({ client }) => client.state.value === 'refused'))
  for (const { client } of tabs) t.match(client.state.error, { code: 'SESSION_REVOKED' })
})

const without: Record<string, object> = {
  'without locks': { locks: undefined },
  'without channels': { BroadcastChannel: undefined },
  'where locks are forbidden': {
    locks: { request: async () => { throw new DOMException('denied', 'SecurityError') } } satisfies Locks
  },
  'where channels are forbidden': {
    BroadcastChannel: class {
      constructor () {
        throw new DOMException('denied', 'SecurityError')
      }
    }
  }
}

for (const [place, environment] of Object.entries(without)) {
  t.test(`${place} each tab has its own connection`, async t => {
    const { app, url } = await serve(t)
    const origin = new Origin()
    const tabs = [1, 2].map(() => openTab(t, origin, url, {}, environment))
    await areOpen(tabs)
    t.equal(app.noex.connectionCount, 2)
    for (const { client } of tabs) {
      t.equal(client.state.transport, 'websocket')
      t.ok(await client.request('store.buckets'))
      client.close()
    }
    await until(() => app.noex.connectionCount === 0 && tabs.every(({ tab }) => tab.channels === 0))
  })
}

t.test('tabs that share locks and do not hear each other end with a connection each', async t => {
  const { app, url } = await serve(t)
  const origin = new Origin()
  class Mute {
    onmessage = null
    postMessage (): void {}
    close (): void {}
  }
  const { after } = realEnvironment
  const environment = { BroadcastChannel: Mute, after: (ms: number, run: () => void) => after(ms / 20, run) }
  const tabs = [1, 2].map(() => openTab(t, origin, url, { timeoutMs: Infinity }, environment))
  await until(() => origin.thefts === 5)
  await areOpen(tabs)
  await sleep(300)
  t.equal(origin.thefts, 5)
  t.equal(app.noex.connectionCount, 2)
})

t.test('the refusal of a server is one of all tabs', async t => {
  const { url } = await serve(t)
  const origin = new Origin()
  const served = await serveTokens(t)
  const tabs = [1, 2].map(() => openTab(t, origin, served.url, { tabs: 'x', getToken: () => 'wrong' }))
  await until(() => tabs.every(({ client }) => client.state.value === 'refused'))
  for (const { client } of tabs) t.match(client.state.error, { code: 'UNAUTHORIZED' })
  const nowhere = [1, 2].map(() => openTab(t, origin, url.replace(/\d+$/, '1')))
  await until(() => nowhere.every(({ client }) => /ECONNREFUSED/.test(client.state.error?.message ?? '')))
  for (const { client } of nowhere) t.match(client.state.error, { code: 'DISCONNECTED' })
})

t.test('the user is named where there is a login', async t => {
  t.throws(() => openTab(t, new Origin(), 'ws://127.0.0.1:1', { getToken: () => 'x' }), /tabs, with getToken, must be a string that names the user/)
})
