import Fastify from 'fastify'
import t from 'tap'
import { noexPlugin } from '../../lib/index.js'
import { ADMIN_SECRET, PASSWORD, serveAccounts } from '../support/identity.js'
import { serveTokens } from '../support/external-auth.js'
import { freePort } from '../support/free-port.js'
import { startPrefixProxy } from '../support/prefix-proxy.js'
import { startStore } from '../support/service.js'
import { goTo, isLive, logIn, openWindow, pages, startBrowser } from '../support/console.js'
import { until } from '../support/until.js'

const routes = { console: '/console' }
const admin = { username: 'anna', password: PASSWORD }

t.test('a session that ends is told, what was typed stays, and a login goes on there', async t => {
  const { port, store, user } = await serveAccounts(t, {}, { routes, audit: {} })
  const anna = await user('anna', 'admin')
  await store.bucket('items').insert({ id: 'a', name: 'lamp', n: 1 })
  const page = await openWindow(t, await startBrowser(t), `http://127.0.0.1:${port}/console#/data/items`)
  await logIn(page, admin)
  await isLive(page)
  await page.getByRole('button', { name: 'a', exact: true }).click()
  const text = page.getByLabel('Fields')
  await text.fill('{"name":"typed for a long time"}')
  await store.bucket('_sessions').deleteMany({ userId: anna })
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('dialog').getByRole('alert').waitFor()
  t.equal(await text.inputValue(), '{"name":"typed for a long time"}')
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.getByRole('button', { name: 'Log in again' }).waitFor()
  t.match(await page.locator('.banner').innerText(), /All that you see is of before/)
  await page.getByRole('button', { name: 'Log in again' }).click()
  await page.getByLabel('User name').waitFor()
  t.comment('another operator comes in its place, to the same page')
  await logIn(page, { secret: ADMIN_SECRET })
  await isLive(page)
  await page.getByRole('heading', { name: 'items', level: 1 }).waitFor()
})

t.test('a wrong password, and a token that has expired, are told in the form', async t => {
  const accounts = await serveAccounts(t, {}, { routes })
  await accounts.user('anna', 'admin')
  const browser = await startBrowser(t)
  const page = await openWindow(t, browser, `http://127.0.0.1:${accounts.port}/console`)
  await logIn(page, { username: 'anna', password: 'wrong' })
  await page.getByRole('alert').filter({ hasText: /wrong|Invalid|credentials|password/i }).waitFor()
  await logIn(page, admin)
  await isLive(page)
  t.equal(await page.locator('.who').innerText(), 'anna')

  const { port, tokens } = await serveTokens(t, { revalidateMs: 0 }, { routes })
  const other = await openWindow(t, browser, `http://127.0.0.1:${port}/console`)
  const enter = async (token: string): Promise<void> => {
    await other.getByLabel('Token').fill(token)
    await other.getByRole('button', { name: 'Log in' }).click()
  }
  await enter('nonsense')
  await other.getByRole('alert').filter({ hasText: 'Invalid token' }).waitFor()
  await enter('admin')
  await isLive(other)
  t.comment('it is no good any more while the console is open')
  tokens['admin'] = null
  await other.locator('.problem:visible, .banner:visible').first().waitFor()
})

t.test('the token is in the memory of the page alone, and gone after a logout', async t => {
  const { port, store, user } = await serveAccounts(t, {}, { routes })
  await user('anna', 'admin')
  const page = await openWindow(t, await startBrowser(t), `http://127.0.0.1:${port}/console`)
  await logIn(page, admin)
  await isLive(page)
  const kept = await page.evaluate(
    'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href])')
  t.equal(kept, JSON.stringify([{}, {}, '', `http://127.0.0.1:${port}/console/`]))
  t.equal(await store.bucket('_sessions').count(), 1)
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByLabel('User name').waitFor()
  await until(async () => await store.bucket('_sessions').count() === 0)
  await page.reload()
  await page.getByLabel('User name').waitFor()
})

t.test('a user without the right is told so, on each page', async t => {
  const { port, user } = await serveAccounts(t, {}, { routes, audit: {} })
  await user('rita', 'reader')
  const page = await openWindow(t, await startBrowser(t), `http://127.0.0.1:${port}/console`)
  await logIn(page, { username: 'rita', password: PASSWORD })
  await isLive(page)
  for (const [place, heading] of pages) {
    // A reader may read the sizes of the buckets.
    if (place === 'data') continue
    await goTo(page, place, heading)
    const problem = page.locator('.problem:visible')
    await problem.waitFor()
    t.match(await problem.innerText(), /you do not have the right|this server does not have that/, heading)
  }
  await goTo(page, 'data', 'Data')
  await page.getByRole('button', { name: 'items' }).waitFor()
})

t.test('two operators change one record: the second is shown it, and nothing is written over', async t => {
  const { port, store } = await serveAccounts(t, {}, { routes })
  await store.bucket('items').insert({ id: 'a', name: 'lamp', n: 1 })
  const browser = await startBrowser(t)
  const open = async () => {
    const page = await openWindow(t, browser, `http://127.0.0.1:${port}/console#/data/items`)
    await logIn(page, { secret: ADMIN_SECRET })
    await page.getByRole('button', { name: 'a', exact: true }).click()
    await page.getByLabel('Fields').waitFor()
    return page
  }
  const [one, two] = [await open(), await open()]
  await one.getByLabel('Fields').fill('{"n":2}')
  await one.getByRole('button', { name: 'Save' }).click()
  await one.getByRole('dialog').waitFor({ state: 'detached' })
  await two.getByLabel('Fields').fill('{"n":3}')
  await two.getByRole('button', { name: 'Save' }).click()
  const dialog = two.getByRole('dialog')
  await dialog.getByText('It has changed meanwhile').waitFor()
  t.match(await dialog.locator('pre').innerText(), '"n": 2')
  t.match(await store.bucket('items').get('a'), { n: 2, name: 'lamp' })
  await two.getByRole('button', { name: 'Save' }).click()
  await dialog.waitFor({ state: 'detached' })
  t.match(await store.bucket('items').get('a'), { n: 3, name: 'lamp' })
})

t.test('an operator makes an account, gives it a role, disables it and ends its sessions', async t => {
  const { port, store, as, app } = await serveAccounts(t, {}, { routes, audit: { tiers: ['admin'] } })
  const page = await openWindow(t, await startBrowser(t), `http://127.0.0.1:${port}/console#/accounts`)
  await logIn(page, { secret: ADMIN_SECRET })
  await page.getByRole('button', { name: 'New account…' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('User name').fill('carol')
  await dialog.getByLabel('Password').fill(PASSWORD)
  await dialog.getByRole('button', { name: 'Create' }).click()
  await page.getByText('carol', { exact: true }).first().waitFor()
  await page.getByLabel('Role', { exact: true }).selectOption('writer')
  await page.getByRole('button', { name: 'Give this role' }).click()
  await page.getByRole('button', { name: 'Remove the role writer' }).waitFor()
  const carol = await store.bucket('_users').findOne({ username: 'carol' })
  const client = await as(String(carol?.['id']))
  t.equal(app.noex.connectionCount, 2)
  await page.getByRole('button', { name: 'End sessions…' }).click()
  await dialog.getByRole('button', { name: 'Revoke' }).click()
  t.match(await client.closed, { code: 4002 })
  await page.getByRole('button', { name: 'Disable…' }).click()
  await dialog.getByRole('button', { name: 'Disable' }).click()
  await page.getByText('disabled', { exact: true }).waitFor()
  t.match(await store.bucket('_users').get(carol?.['id'] as string), { enabled: false })
  t.comment('each of that is in the trail')
  await goTo(page, 'audit', 'Audit')
  const acts = ['identity.createUser', 'identity.assignRole', 'server.revoke', 'identity.disableUser']
  for (const operation of acts) {
    await page.getByRole('button', { name: /\d/ }).first().waitFor()
    t.equal(await page.getByText(operation, { exact: true }).count(), 1, operation)
  }
})

t.test('it works behind a proxy that has it under a prefix, and a gateway that names the user', async t => {
  const store = await startStore(t)
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(async () => { await app.close() })
  const port = await freePort()
  const proxy = await startPrefixProxy(t, '/ops/shop', port, { 'x-user': 'olga', 'x-roles': 'admin' })
  await app.register(noexPlugin, {
    store,
    prefix: '/internal',
    path: '/live',
    routes,
    allowedOrigins: [`http://127.0.0.1:${proxy}`],
    auth: { gateway: { userHeader: 'x-user', rolesHeader: 'x-roles', trustedProxies: ['127.0.0.1'] } }
  })
  await app.listen({ port, host: '127.0.0.1' })
  const browser = await startBrowser(t)
  const page = await openWindow(t, browser, `http://127.0.0.1:${proxy}/ops/shop/internal/console`)
  await isLive(page)
  t.equal(await page.locator('.who').innerText(), 'olga')
  t.equal(await page.getByRole('button', { name: 'Log out' }).count(), 0)
  await goTo(page, 'connections', 'Connections')
  await page.getByText('olga').first().waitFor()
  t.comment('a page of another origin is refused, and told why that may be')
  const other = await openWindow(t, browser, `http://localhost:${proxy}/ops/shop/internal/console`)
  await other.getByText('refuses pages of origins').waitFor()
})
