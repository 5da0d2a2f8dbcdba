import { Client } from './client.js'

const AT_ONCE = 16

/** Opens connections, 16 at a time; `headersOf` gives each its own headers. */
export async function openMany (
  port: number,
  count: number,
  headersOf: (index: number) => string[] = () => []
): Promise<Client[]> {
  const clients: Client[] = []
  let left = count
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left > 0) clients.push(await Client.open(port, headersOf(--left)))
  }))
  return clients
}
