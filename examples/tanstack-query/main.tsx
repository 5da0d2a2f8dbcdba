import { createRoot } from 'react-dom/client'
import { QueryClient, QueryClientProvider, useMutation, useQuery } from '@tanstack/react-query'
import { useConnection } from 'fastify-noex/react'
import { queryOptions } from 'fastify-noex/tanstack-query'
import { api, client, lineOf, newOrder, type NewOrder } from '../desk.js'

function Orders () {
  const { data: orders, isPending, error } = useQuery(queryOptions(api.openOrders))
  const { data: products } = useQuery(queryOptions(api.products))
  const { data: [customer] = [] } = useQuery(queryOptions(api.customers))
  const connection = useConnection(client)
  const placing = useMutation({
    // All live queries show the order at once, so that there is no need of `onMutate`.
    mutationFn: (order: NewOrder) =>
      client.optimistic(tx => { tx.bucket('orders').insert(order) }, { retry: true }),
    networkMode: 'always'
  })

  return (
    <>
      <p>Connection: <output>{connection.status}</output></p>
      {customer && products?.map(product => (
        <button key={product.sku} onClick={() => placing.mutate(newOrder(customer, product))}>
          Order {product.name}
        </button>
      ))}
      {placing.error && <p role='alert'>{placing.error.message}</p>}
      {error && <p role='alert'>{error.message}</p>}
      {isPending && <p>Loading…</p>}
      <ul>{orders?.map(order => <li key={order.number}>{lineOf(order)}</li>)}</ul>
    </>
  )
}

createRoot(document.getElementById('page')!).render(
  <QueryClientProvider client={new QueryClient()}><Orders /></QueryClientProvider>
)
