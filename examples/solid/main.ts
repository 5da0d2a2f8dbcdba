import { For, Show } from 'solid-js'
import html from 'solid-js/html'
import { render } from 'solid-js/web'
import { useConnection, useMutation, useQuery } from 'fastify-noex/solid'
import type { Order, Product } from '../../example-app/model.js'
import { api, client, lineOf, newOrder, type NewOrder } from '../desk.js'

function Orders () {
  const orders = useQuery(api.openOrders)
  const products = useQuery(api.products)
  const customers = useQuery(api.customers)
  const customer = () => customers.data?.[0]
  const connection = useConnection(client)
  const [place, placing] = useMutation(client, (tx, order: NewOrder) => {
    tx.bucket('orders').insert(order)
  }, { retry: true })

  return html`
    <p>Connection: <output>${() => connection.status}</output></p>
    <${For} each=${() => customer() && products.data}>${(product: Product) => html`
      <button onClick=${() => place(newOrder(customer()!, product))}>Order ${product.name}</button>`}
    <//>
    <${Show} when=${() => placing.error}><p role="alert">${() => placing.error?.message}</p><//>
    <${Show} when=${() => orders.error}><p role="alert">${() => orders.error?.message}</p><//>
    <${Show} when=${() => orders.status === 'loading'}><p>Loading…</p><//>
    <ul><${For} each=${() => orders.data}>${(order: Order) => html`<li>${lineOf(order)}</li>`}<//></ul>`
}

render(Orders, document.getElementById('page')!)
