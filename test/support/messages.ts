import type { Test } from 'tap'
import { TestClient } from './client.js'

/** Checks that the connection answers, and that nothing else has arrived. */
export async function assertQuiet (t: Test, client: TestClient): Promise<void> {
  await client.ask('store.buckets')
  t.same(client.waiting, [], 'nothing else was sent')
}
