import { createRoot } from 'react-dom/client'
import { createCollection, useLiveQuery } from '@tanstack/react-db'
import { useConnection, useQuery } from 'fastify-noex/react'
import { collectionOptions } from 'fastify-noex/tanstack-db'
import { api, client, lineOf, newOrder } from '../desk.js'

const orders = createCollection(collectionOptions({
  client,
  query: api.openOrders,
  bucket: 'orders',
  getKey: order => order.number,
  // The server numbers the orders; until it has, one has a number below zero.
  toRecord: ({ customerId, sku, quantity, unitPrice, total, status }) =>
    ({ customerId, sku, quantity, unitPrice, total, status })
}))
const products = createCollection(collectionOptions({
  client, query: api.products, getKey: product => product.sku
}))
const customers = createCollection(collectionOptions({
  client, query: api.customers, getKey: customer => customer.id
}))
let placed = 0

function Orders () {
  const { data } = useLiveQuery(q => q.from({ orders }).orderBy(({ orders }) => orders.number, 'desc'))
  const { data: allProducts } = useLiveQuery(products)
  const { data: [customer] } = useLiveQuery(customers)
  const { error } = useQuery(api.openOrders)
  const connection = useConnection(client)
  const place = (order: ReturnType<typeof newOrder>) => {
    const now = Date.now()
    const record = { ...order, number: --placed, paid: false, _version: 1, _createdAt: now, _updatedAt: now }
    orders.insert(record)
  }

  return (
    <>
      <p>Connection: <output>{connection.status}</output></p>
      {customer && allProducts.map(product => (
        <button key={product.sku} onClick={() => { place(newOrder(customer, product)) }}>
          Order {product.name}
        </button>
      ))}
      {error && <p role='alert'>{error.message}</p>}
      <ul>{data.map(order => <li key={order.number}>{lineOf(order)}</li>)}</ul>
    </>
  )
}

createRoot(document.getElementById('page')!).render(<Orders />)
