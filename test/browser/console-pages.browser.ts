import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { RuleEngine } from '../../lib/exports/rules.js'
import type { Served } from '../support/service.js'
import { ADMIN_SECRET, serveAccounts } from '../support/identity.js'
import {
  firstCells, goTo, isLive, logIn, openWindow, pages, startBrowser, windows
} from '../support/console.js'

/** Names as an attacker would choose them. */
const EVIL = '<img src=x onerror=alert(1)>'
const SCRIPT = '"><script>alert(2)</script>'

/** Serves accounts, rules, procedures and records whose names and values are markup. */
async function serveEvil (t: Test): Promise<Served & { readonly connectEvil: () => Promise<unknown> }> {
  const rules = await RuleEngine.start()
  t.teardown(async () => { await rules.stop() })
  await rules.registerRule({
    id: SCRIPT,
    name: EVIL,
    trigger: { type: 'event', topic: 'order.placed' },
    enabled: true,
    priority: 0,
    tags: [EVIL],
    conditions: [],
    actions: []
  })
  const served = await serveAccounts(t, {}, {
    name: EVIL,
    path: '/live',
    routes: { console: '/console' },
    rules,
    audit: { tiers: ['admin', 'write'] },
    procedures: {
      definitions: [{ name: 'restock', description: EVIL, steps: [{ action: 'return', value: 1 }] }]
    }
  })
  const { store } = served
  await store.defineBucket(EVIL, {
    key: 'id', schema: { id: { type: 'string' }, [SCRIPT]: { type: 'string' } }
  })
  await store.bucket(EVIL).insert({ id: EVIL, [SCRIPT]: EVIL })
  store.defineDeclarativeQuery(EVIL, { bucket: 'items' })
  await served.user('mallory', 'admin')
  const users = await store.bucket('_users').all()
  await store.bucket('_users').update(users[0]?.['id'], { displayName: EVIL })
  const connectEvil = async (): Promise<unknown> => {
    const client = await served.as(String(users[0]?.['id']))
    await client.ask('store.subscribe', { query: EVIL })
    client.send({ id: 99, type: EVIL })
    return await client.next()
  }
  return { ...served, connectEvil }
}

/** Whether something on the page is wider than the window. */
async function isTooWide (page: Page): Promise<boolean> {
  return await page.evaluate('document.documentElement.scrollWidth > innerWidth') as boolean
}

t.test('every page works in each window, and no name is ever markup', async t => {
  const { port, connectEvil } = await serveEvil(t)
  await connectEvil()
  const browser = await startBrowser(t)
  for (const { name, ...window } of windows) {
    await t.test(name, async t => {
      const page = await openWindow(t, browser, `http://127.0.0.1:${port}/console`, window)
      t.notOk(await isTooWide(page), 'the login')
      await logIn(page, { secret: ADMIN_SECRET })
      await isLive(page)
      t.equal(await page.locator('.brand').innerText(), EVIL)
      for (const [place, heading] of pages) {
        await goTo(page, place, heading)
        await page.locator('.content').waitFor()
        await page.waitForTimeout(400)
        t.equal(await page.locator('.problem:visible').allInnerTexts().then(String), '', heading)
        t.notOk(await isTooWide(page), heading)
        t.equal(await page.locator('img, script:not([src])').count(), 0, heading)
        t.equal(await page.locator('nav [aria-current=page]').innerText(), heading)
      }
      await goTo(page, 'data', 'Data')
      await page.getByRole('button', { name: EVIL, exact: true }).click()
      await page.getByRole('heading', { name: EVIL, level: 1 }).waitFor()
      t.same(await firstCells(page, `Records of ${EVIL}`), [EVIL])
      await goTo(page, 'rules', 'Rules')
      t.same(await firstCells(page, 'Rules'), [EVIL])
      await goTo(page, 'connections', 'Connections')
      const rows = page.getByRole('table', { name: 'Connections' }).locator('tbody tr:not(.spacer)')
      await rows.nth(1).waitFor()
      t.match(await rows.allInnerTexts(), [/superadmin|mallory|img/, /superadmin|mallory|img/])
      await page.context().close()
    })
  }
})

t.test('all of it can be done by keyboard', async t => {
  const { port } = await serveEvil(t)
  const page = await openWindow(t, await startBrowser(t), `http://127.0.0.1:${port}/console`)
  const { keyboard } = page
  await page.getByLabel('User name').waitFor()
  await keyboard.press('Tab')
  await keyboard.press('Tab')
  await keyboard.press('Tab')
  await keyboard.press('Enter')
  await page.getByLabel('Admin secret').waitFor()
  await keyboard.type(ADMIN_SECRET)
  await keyboard.press('Enter')
  await isLive(page)
  t.comment('through the header to the page of the data')
  const focused = async (): Promise<string> =>
    String(await page.evaluate('document.activeElement.textContent'))
  for (let step = 0; step < 20 && await focused() !== 'Data'; step++) await keyboard.press('Tab')
  await keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Data', level: 1 }).waitFor()
  t.equal(await page.evaluate('document.activeElement.id'), 'page', 'the focus is on the page that has come')
  await page.getByRole('button', { name: '_users' }).waitFor()
  for (let step = 0; step < 20 && await focused() !== '_users'; step++) await keyboard.press('Tab')
  t.comment('the focus stays while the sizes are asked for again, and arrows move it')
  await page.waitForTimeout(6_000)
  t.equal(await focused(), '_users')
  await keyboard.press('ArrowDown')
  t.not(await focused(), '_users')
  await keyboard.press('ArrowUp')
  await keyboard.press('Enter')
  await page.getByRole('heading', { name: '_users', level: 1 }).waitFor()
  t.comment('a dialog has the focus, ends by Escape, and gives the focus back')
  const open = page.getByRole('button', { name: 'New record…' })
  await open.focus()
  await keyboard.press('Enter')
  await page.getByRole('dialog').waitFor()
  t.equal(await page.evaluate('document.activeElement.tagName'), 'TEXTAREA')
  await keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  t.equal(await focused(), 'New record…')
})

t.test('fields, tables and regions have names for those who do not see them', async t => {
  const { port } = await serveEvil(t)
  const page = await openWindow(t, await startBrowser(t), `http://127.0.0.1:${port}/console`)
  await logIn(page, { secret: ADMIN_SECRET })
  await isLive(page)
  for (const [place, heading] of pages) {
    await goTo(page, place, heading)
    await page.waitForTimeout(300)
    const nameless = await page.evaluate(`
      [...document.querySelectorAll('input, select, textarea, table, button, nav')]
        .filter(element => element.checkVisibility() && !element.getAttribute('aria-label'))
        .filter(element => !element.labels?.length && !element.textContent)
        .map(element => element.outerHTML)`)
    t.same(nameless, [], heading)
    t.equal(await page.locator('h1').count(), 1, heading)
  }
})
