/* global document, location, Intl */
import { createClient } from './client/index.js'

/** Products with this many pieces or fewer are listed as low. */
const LOW_STOCK = 5
/** How often a change is tried when others keep being faster. */
const MAX_ATTEMPTS = 5
/** How long a message stays. */
const MESSAGE_MS = 8_000
/** How many notices stay. */
const MAX_NOTICES = 5
/** How many orders are listed where not only the open ones are asked for. */
const MAX_ORDERS = 100

const money = new Intl.NumberFormat('en', { style: 'currency', currency: 'EUR' })
const states = {
  connecting: 'Connecting…',
  open: 'Live',
  leaving: 'The server is restarting…',
  waiting: 'Disconnected, trying again. This may be out of date.',
  offline: 'There is no network. This may be out of date.',
  ended: 'Part of this page is not live any more. Reload it.',
  refused: 'Refused by the server. Reload the page to try again.'
}

const view = Object.fromEntries([...document.querySelectorAll('[id]')].map(element => [element.id, element]))
let messageTimer

// A server that does not answer for a second is asked, and given up a second later.
const client = createClient(new URL('live', location.href), { heartbeatMs: 1_000 })
const customers = client.query('all-customers')
const products = client.query('all-products')
const counts = client.query('orders-by-status')
const lowStock = client.query('low-stock', { atMost: LOW_STOCK })
let orders = client.query('open-orders')
let unwatchOrders = watch(orders, showOrders)
for (const query of [customers, products]) watch(query, showNames)
watch(counts, showCounts)
watch(lowStock, showLowStock)
client.events('desk.*', showNotice)
client.state.subscribe(showState)
showState()

view.form.addEventListener('submit', onSubmit)
view.form.addEventListener('input', showTotal)
view.choice.addEventListener('change', chooseOrders)

/** Calls `show` when a query has new data. Returns the function that ends that. */
function watch (query, show) {
  return query.subscribe(() => {
    if (query.error !== undefined) showState()
    if (query.getSnapshot() !== undefined) show()
  })
}

// ── Changes ──────────────────────────────────────────────────────────────────

/** Inserts the order and takes the pieces from the stock, both or neither. */
async function placeOrder (customerId, sku, quantity) {
  return await attempt(async () => {
    const product = await client.request('store.get', { bucket: 'products', key: sku })
    if (product === null) throw new Error('This product is no longer sold.')
    if (product.stock < quantity) throw new Error(`Only ${product.stock} of “${product.name}” left.`)
    const { price } = product
    const { results } = await write([
      {
        op: 'insert',
        bucket: 'orders',
        data: { customerId, sku, quantity, unitPrice: price, total: quantity * price }
      },
      takeFromStock(product, quantity)
    ])
    return results[0].data
  })
}

/**
 * Writes all of it or nothing, once: where the reply is lost with the connection, the client asks again on
 * the next one.
 */
async function write (operations) {
  return await client.request('store.transaction', { operations }, { retry: true })
}

/** Changes an order, provided that it still is as the row shows it. The row shows the change at once. */
async function change ({ number, _version: expectedVersion }, changes) {
  await client.optimistic(tx => {
    tx.bucket('orders').update(number, changes, { expectedVersion })
  }, { retry: true })
}

/** Cancels an order and puts the pieces back. */
async function cancel ({ number, sku, quantity, _version: version }) {
  await attempt(async () => {
    const product = await client.request('store.get', { bucket: 'products', key: sku })
    const order = await client.request('store.get', { bucket: 'orders', key: number })
    if (order?._version !== version) throw new Error(`Order ${number} has just been changed by another user.`)
    await write([
      {
        op: 'update',
        bucket: 'orders',
        key: number,
        data: { status: 'cancelled' },
        expectedVersion: version
      },
      takeFromStock(product, -quantity)
    ])
  })
}

async function restock ({ sku }) {
  await attempt(async () => {
    const product = await client.request('store.get', { bucket: 'products', key: sku })
    await write([takeFromStock(product, -10)])
  })
}

/** An entry that takes effect only if the product has not changed since it was read. */
function takeFromStock ({ sku, stock, _version }, quantity) {
  return {
    op: 'update',
    bucket: 'products',
    key: sku,
    data: { stock: stock - quantity },
    expectedVersion: _version
  }
}

/** Does it again, from reading on, as long as another client was faster. */
async function attempt (change) {
  for (let attempts = 1; ; attempts++) {
    try {
      return await change()
    } catch (error) {
      if (error.code !== 'CONFLICT' || attempts === MAX_ATTEMPTS) throw error
    }
  }
}

// ── Input ────────────────────────────────────────────────────────────────────

async function onSubmit (event) {
  event.preventDefault()
  const { customer, product, quantity } = view
  await report(async () => {
    const order = await placeOrder(customer.value, product.value, quantity.valueAsNumber)
    quantity.value = '1'
    showTotal()
    return `Order ${order.number} placed.`
  })
}

/** Runs what a click asked for and tells how it went. */
async function report (work) {
  try {
    tell(await work(), false)
  } catch (error) {
    tell(explain(error), true)
  }
}

function explain ({ code, message, details }) {
  switch (code) {
    case 'CONFLICT':
      return 'Another user was faster. Please look again, then repeat.'
    case 'TIMEOUT':
    case 'DISCONNECTED':
      return 'There was no answer. Please check whether it was done before you repeat it.'
    case 'VALIDATION_ERROR':
      return Array.isArray(details)
        ? `${message}: ${details.map(issue => `${issue.field} ${issue.message}`).join(', ')}`
        : message
    default:
      return message
  }
}

// ── Output ───────────────────────────────────────────────────────────────────

function showState () {
  const hasEnded = [customers, products, counts, lowStock, orders].some(({ status }) => status === 'error')
  const { value } = client.state
  const state = value === 'open' && hasEnded ? 'ended' : value
  view.state.textContent = states[state]
  view.state.dataset.state = state
  view.desk.disabled = value !== 'open'
  view.orders.inert = view.low.inert = view.choice.inert = value !== 'open'
}

/** Lists the orders that the user has chosen: other than the open ones by a query that is made for it. */
function chooseOrders () {
  const { status: { value: status }, order: { value: order } } = view
  const [field, direction] = order.split(' ')
  const isStandard = status === 'open' && order === 'number desc'
  const find = {
    bucket: 'orders',
    filter: { status: { $in: status === 'open' ? ['new', 'packed'] : [status] } },
    sort: { [field]: direction },
    limit: MAX_ORDERS
  }
  unwatchOrders()
  orders = client.query(isStandard ? 'open-orders' : find)
  unwatchOrders = watch(orders, showOrders)
  showOrders()
}

/** Customers or products have changed: the choices of the form, and the names in the list. */
function showNames () {
  showOptions(view.customer, customers.getSnapshot()?.map(({ id, name }) => [id, name]))
  showOptions(
    view.product,
    products.getSnapshot()?.map(({ sku, name, price }) => [sku, `${name}, ${money.format(price / 100)}`])
  )
  showTotal()
  showOrders()
}

function showOptions (select, options = []) {
  const chosen = select.value
  const content = JSON.stringify(options)
  if (select.dataset.content === content) return
  select.dataset.content = content
  select.replaceChildren(...options.map(([value, text]) => make('option', { value, textContent: text })))
  if (options.some(([value]) => value === chosen)) select.value = chosen
}

function showTotal () {
  const product = products.getSnapshot()?.find(({ sku }) => sku === view.product.value)
  const quantity = view.quantity.valueAsNumber
  const isComplete = product !== undefined && quantity > 0
  view.total.textContent = isComplete ? money.format(product.price * quantity / 100) : '–'
}

function showOrders () {
  const lists = [orders, customers, products].map(query => query.getSnapshot())
  if (lists.includes(undefined)) return
  const [listed, ...named] = lists
  const names = new Map(named.flat().map(({ id, sku, name }) => [id ?? sku, name]))
  const rows = listed.map(order => (
    { ...order, customer: names.get(order.customerId), product: names.get(order.sku) }
  ))
  showRows(view.orders, rows, ({ number }) => number, orderRow)
  view['no-orders'].hidden = rows.length > 0
}

function orderRow (order) {
  const { number, customer, product, quantity, total, status, paid } = order
  const next = { new: ['Pack', 'packed'], packed: ['Ship', 'shipped'] }[status]
  const actions = make('td', { className: 'actions' })
  if (next !== undefined) {
    const [verb, stage] = next
    const pay = async () => await change(order, { paid: true })
    if (!paid) actions.append(button('Paid', `Mark order ${number} as paid`, pay))
    actions.append(
      button(verb, `${verb} order ${number}`, async () => await change(order, { status: stage })),
      button('Cancel', `Cancel order ${number}`, async () => await cancel(order))
    )
  }
  const badge = make('span', { className: 'badge', textContent: status })
  badge.dataset.status = status
  const stage = make('td')
  stage.append(badge)
  return [
    make('th', { scope: 'row', textContent: `#${number}` }),
    make('td', { textContent: customer }),
    make('td', { textContent: `${quantity} × ${product}` }),
    make('td', { className: 'number', textContent: money.format(total / 100) }),
    stage,
    actions
  ]
}

function showCounts () {
  const groups = new Map(counts.getSnapshot().map(({ key, value }) => [key.status, value]))
  for (const output of view.counts.querySelectorAll('[data-count]')) {
    output.textContent = groups.get(output.dataset.count) ?? 0
  }
}

function showLowStock () {
  const list = lowStock.getSnapshot()
  showRows(view.low, list, ({ sku }) => sku, product => {
    const action = make('td', { className: 'actions' })
    action.append(button('+10', `Put 10 of ${product.name} into stock`, async () => await restock(product)))
    return [
      make('th', { scope: 'row', textContent: product.name }),
      make('td', { className: 'number', textContent: `${product.stock} left` }),
      action
    ]
  })
  view['no-low'].hidden = list.length > 0
}

/** An event of the desk's rules, the newest on top. */
function showNotice ({ topic, timestamp, data: { number, total } }) {
  const order = `Order #${number}, ${money.format(total / 100)}`
  const texts = {
    'desk.large-order': `${order}: a large one.`,
    'desk.payment-due': `${order}: not paid yet.`
  }
  const item = make('li', {
    textContent: `${new Date(timestamp).toLocaleTimeString()} ${texts[topic] ?? topic}`
  })
  view.notices.prepend(item)
  while (view.notices.children.length > MAX_NOTICES) view.notices.lastElementChild.remove()
  view['no-notices'].hidden = true
}

/** Brings a table to the new rows and touches only those that have changed: the others keep the focus. */
function showRows (body, items, keyOf, cellsOf) {
  const present = new Map([...body.rows].map(row => [row.dataset.key, row]))
  const focused = document.activeElement?.closest('tr')?.dataset.key
  const rows = items.map(item => {
    const key = String(keyOf(item))
    const content = JSON.stringify(item)
    if (present.get(key)?.dataset.content === content) return present.get(key)
    const row = make('tr', { className: present.size > 0 ? 'changed' : '' })
    Object.assign(row.dataset, { key, content })
    row.append(...cellsOf(item))
    return row
  })
  for (const row of present.values()) if (!rows.includes(row)) row.remove()
  for (const [index, row] of rows.entries()) {
    if (body.rows[index] !== row) body.insertBefore(row, body.rows[index] ?? null)
  }
  // The row that had the focus has been replaced.
  if (focused !== undefined && document.activeElement === document.body) {
    rows.find(row => row.dataset.key === focused)?.querySelector('button').focus()
  }
}

function button (text, label, work) {
  const made = make('button', { type: 'button', textContent: text, ariaLabel: label })
  let isBusy = false
  made.addEventListener('click', async () => {
    // Not `disabled`, which would lose the focus.
    if (isBusy) return
    isBusy = true
    await report(async () => {
      await work()
      return `${label}: done.`
    })
    isBusy = false
  })
  return made
}

function tell (text, isError) {
  clearTimeout(messageTimer)
  messageTimer = setTimeout(() => { view.message.textContent = '' }, MESSAGE_MS)
  view.message.textContent = text
  view.message.classList.toggle('error', isError)
}

/** Everything that comes from data gets into the page as text. */
function make (tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties)
}
