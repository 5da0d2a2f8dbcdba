import type { QueryContext, Store } from '@hamicek/noex-store'
import type { Frame, TestClient } from './client.js'

export interface Item { readonly id: string, readonly name?: string, readonly n?: number }

export const items = 'items'

export const sortedById = { bucket: items, sort: { id: 'asc' } }

/** Defines a programmatic query and counts its runs. */
export function defineCounted<P = unknown> (
  store: Store,
  name: string,
  read: (ctx: QueryContext, params: P) => Promise<unknown>
): { count: number } {
  const runs = { count: 0 }
  store.defineQuery<P>(name, (async (ctx: QueryContext, params: P) => {
    runs.count++
    return await read(ctx, params)
  }) as never)
  return runs
}

export async function allItems (ctx: QueryContext): Promise<unknown> {
  return await ctx.bucket(items).all()
}

export async function countItems (ctx: QueryContext): Promise<unknown> {
  return await ctx.bucket(items).count()
}

/** Every frame of a client in the order of arrival, whether taken or not. */
export function framesOf (client: TestClient): Frame[] {
  const frames: Frame[] = []
  client.ws.on('message', data => { frames.push(JSON.parse(String(data)) as Frame) })
  return frames
}

export function insertItem (client: TestClient, data: object): Promise<Item> {
  return client.ask('store.insert', { bucket: items, data })
}

export async function subscribe (
  client: TestClient,
  query: string,
  params?: unknown
): Promise<{ subscriptionId: string, data: any }> {
  return await client.ask('store.subscribe', { query, params })
}
