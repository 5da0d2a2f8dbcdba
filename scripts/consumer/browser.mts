// Bundled for browsers and compiled without the types of Node, not run.
import { createClient } from 'fastify-noex/client'
import type { Schema } from './described.mjs'

const client = createClient<Schema>('wss://example.com/live')
export const items = client.query({ bucket: 'items', filter: { count: { $gt: 1 } } })
export const count: number | null | undefined = items.getSnapshot()?.[0]?.count
// @ts-expect-error: the compiler must know that there is no such bucket
client.query({ bucket: 'itms' })
