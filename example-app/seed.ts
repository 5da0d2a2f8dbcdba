import type { DeskStore, NewCustomer, NewProduct, Order } from './model.js'

const customers: NewCustomer[] = [
  { name: 'Ada Brook', email: 'ada@example.com' },
  { name: 'Café Nordlicht', email: 'hallo@nordlicht.example' },
  { name: 'Jun Mori', email: 'jun@example.net' },
  { name: 'Olive & Thyme', email: 'kitchen@olive.example' }
]

const products: NewProduct[] = [
  { sku: 'CUP-001', name: 'Espresso cup', price: 1_250, stock: 48 },
  { sku: 'CUP-002', name: 'Latte bowl', price: 1_900, stock: 14 },
  { sku: 'POT-001', name: 'Stoneware teapot', price: 6_400, stock: 4 },
  { sku: 'POT-002', name: 'Pour-over dripper', price: 3_850, stock: 9 },
  { sku: 'TRY-001', name: 'Serving tray', price: 4_200, stock: 2 },
  { sku: 'VAS-001', name: 'Bud vase', price: 2_700, stock: 21 }
]

/** Orders; customers and products are positions in the lists above. */
const orders: ReadonlyArray<{ customer: number, product: number } & Pick<Order, 'quantity' | 'status'>> = [
  { customer: 1, product: 0, quantity: 12, status: 'shipped' },
  { customer: 0, product: 2, quantity: 1, status: 'shipped' },
  { customer: 3, product: 4, quantity: 2, status: 'cancelled' },
  { customer: 3, product: 1, quantity: 6, status: 'packed' },
  { customer: 2, product: 3, quantity: 1, status: 'new' }
]

/** Fills an empty store with something to look at: all of it, or nothing where the process ends meanwhile. */
export async function seed (store: DeskStore): Promise<void> {
  await store.transaction(async tx => {
    const [customerBucket, productBucket, orderBucket] =
      [await tx.bucket('customers'), await tx.bucket('products'), await tx.bucket('orders')]
    const ids: string[] = []
    for (const customer of customers) ids.push((await customerBucket.insert(customer)).id)
    for (const product of products) await productBucket.insert(product)
    for (const { customer, product, quantity, status } of orders) {
      const { sku, price } = products[product] as NewProduct
      const customerId = ids[customer] as string
      const total = quantity * price
      await orderBucket.insert({ customerId, sku, quantity, unitPrice: price, total, status })
    }
  })
}
