import { bytes, number } from '../format.js'
import { createFrame, section } from '../frame.js'
import type { Context, Page, View } from '../page.js'
import { poll } from '../poll.js'
import { createTable } from '../table.js'
import type { Stats } from '../wire.js'
import { openBucket } from './bucket.js'
import { createQueryBox } from './query-box.js'

/** Time between two looks at the sizes, in milliseconds. */
const EVERY_MS = 5_000

interface Row {
  readonly name: string
  readonly records: number | undefined
  readonly bytes: number | undefined
  readonly indexes: number | undefined
}

/** The buckets, their records, and queries. */
export const data: Page = {
  name: 'data',
  title: 'Data',
  open: (context, place) => place[0] === undefined ? openBuckets(context) : openBucket(context, place[0])
}

function openBuckets (context: Context): View {
  const { client, go } = context
  const table = createTable<Row>({
    label: 'Buckets',
    columns: [
      { label: 'Bucket', text: row => row.name, order: row => row.name },
      { label: 'Records', text: row => number(row.records), order: row => row.records ?? 0, isNumber: true },
      { label: 'Size', text: row => bytes(row.bytes), order: row => row.bytes ?? 0, isNumber: true },
      { label: 'Indexes', text: row => number(row.indexes), order: row => row.indexes ?? 0, isNumber: true }
    ],
    keyOf: row => row.name,
    onOpen: row => { go('data', row.name) },
    empty: 'Loading…',
    orderBy: 2
  })
  const box = createQueryBox(context)
  const frame = createFrame('Data', 'The list of buckets', [], table.node, section('Run a query', box))
  const asked = poll(client, EVERY_MS, async () => {
    const rows = await bucketRows(context)
    frame.recover()
    table.show(rows, 'There are no buckets.')
  }, frame.fail)
  return { node: frame.node, close: asked.stop }
}

/** Returns the buckets with their sizes, as far as the user may see them. */
async function bucketRows ({ client }: Context): Promise<Row[]> {
  let stats: Pick<Stats, 'store' | 'buckets'>
  try {
    stats = await client.request<Stats>('server.stats')
  } catch (error) {
    if ((error as { readonly code?: string }).code !== 'FORBIDDEN') throw error
    // Who may not see the server may see the store.
    stats = { store: await client.request<Stats['store']>('store.stats') }
  }
  const { store, buckets = {} } = stats
  const names = new Set([...Object.keys(store?.records.perBucket ?? {}), ...Object.keys(buckets)])
  return [...names].map(name => ({
    name,
    records: buckets[name]?.records ?? store?.records.perBucket[name],
    bytes: buckets[name]?.bytes ?? store?.bytes?.perBucket[name],
    indexes: buckets[name]?.indexes ?? store?.indexes.perBucket[name]
  }))
}
