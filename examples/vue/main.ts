import { createApp } from 'vue'
import { useConnection, useMutation, useQuery } from 'fastify-noex/vue'
import { api, client, lineOf, newOrder, type NewOrder } from '../desk.js'

createApp({
  setup () {
    const { data: orders, status, error } = useQuery(api.openOrders)
    const { data: products } = useQuery(api.products)
    const { data: customers } = useQuery(api.customers)
    const { status: connection } = useConnection(client)
    const [place, { error: refusal }] = useMutation(client, (tx, order: NewOrder) => {
      tx.bucket('orders').insert(order)
    }, { retry: true })
    return { orders, status, error, products, customers, connection, place, refusal, lineOf, newOrder }
  },
  template: `
    <p>Connection: <output>{{ connection }}</output></p>
    <template v-if="customers">
      <button v-for="product in products" :key="product.sku" @click="place(newOrder(customers[0], product))">
        Order {{ product.name }}
      </button>
    </template>
    <p v-if="refusal" role="alert">{{ refusal.message }}</p>
    <p v-if="error" role="alert">{{ error.message }}</p>
    <p v-if="status === 'loading'">Loading…</p>
    <ul><li v-for="order in orders" :key="order.number">{{ lineOf(order) }}</li></ul>`
}).mount('#page')
