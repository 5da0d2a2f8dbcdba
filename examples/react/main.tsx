import { createRoot } from 'react-dom/client'
import { useConnection, useMutation, useQuery } from 'fastify-noex/react'
import { api, client, lineOf, newOrder, type NewOrder } from '../desk.js'

function Orders () {
  const { data: orders, status, error } = useQuery(api.openOrders)
  const { data: products } = useQuery(api.products)
  const { data: [customer] = [] } = useQuery(api.customers)
  const connection = useConnection(client)
  const [place, placing] = useMutation(client, (tx, order: NewOrder) => {
    tx.bucket('orders').insert(order)
  }, { retry: true })

  return (
    <>
      <p>Connection: <output>{connection.status}</output></p>
      {customer && products?.map(product => (
        <button key={product.sku} onClick={() => place(newOrder(customer, product))}>
          Order {product.name}
        </button>
      ))}
      {placing.error && <p role='alert'>{placing.error.message}</p>}
      {status === 'error' && <p role='alert'>{error.message}</p>}
      {status === 'loading' && <p>Loading…</p>}
      <ul>{orders?.map(order => <li key={order.number}>{lineOf(order)}</li>)}</ul>
    </>
  )
}

createRoot(document.getElementById('page')!).render(<Orders />)
