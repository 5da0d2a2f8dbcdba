import { el, fill, link, button } from '../dom.js'
import { bytes, ms, number, rate, text } from '../format.js'
import { createFrame, search } from '../frame.js'
import type { Context, Page, View } from '../page.js'
import { debounced, poll } from '../poll.js'
import { createTable, facts } from '../table.js'
import type { QueryRow } from '../wire.js'

/** Time between two looks, in milliseconds. */
const EVERY_MS = 4_000

/** Live queries that the server lists in one answer. */
const MAX_ROWS = 1_000

interface Row extends QueryRow {
  readonly perSecond: number
  /** Seconds of evaluation and of telling the changes. */
  readonly total: number
  /** Milliseconds of that in each second. */
  readonly load: number
}

interface QueryPage {
  readonly queries: readonly QueryRow[]
  readonly more: boolean
  readonly total: number
}

/** The live queries, the costly first. */
export const queries: Page = { name: 'queries', title: 'Live queries', open }

function open ({ client }: Context): View {
  const filter = search('Query or bucket', debounced(300, () => { asked.now() }))
  const summary = el('p', { class: 'quiet', role: 'status' })
  const detail = el('aside', { class: 'card detail', 'aria-label': 'Query', 'aria-live': 'off' })
  detail.hidden = true
  const about = facts('Query')
  let openId: string | undefined
  const table = createTable<Row>({
    label: 'Live queries',
    columns: [
      { label: 'Query', text: row => row.query, order: row => row.query, width: '13rem' },
      { label: 'Time', text: row => ms(row.total * 1_000), order: row => row.total, isNumber: true },
      { label: 'ms/s', text: row => rate(row.load), order: row => row.load || 0, isNumber: true },
      { label: 'Last', text: row => ms(row.lastMs), order: row => row.lastMs, isNumber: true, isMinor: true },
      {
        label: 'Max',
        text: row => ms(row.maxMs),
        order: row => row.maxMs,
        isNumber: true,
        tone: row => Number(row.slow) > 0 ? 'bad' : undefined
      },
      {
        label: 'Eval/s',
        text: row => rate(row.perSecond),
        order: row => row.perSecond || 0,
        isNumber: true,
        isMinor: true
      },
      { label: 'Watchers', text: row => number(row.watchers), order: row => row.watchers, isNumber: true },
      { label: 'Rows', text: row => number(row.rows), order: row => row.rows, isNumber: true, isMinor: true },
      {
        label: 'Bytes',
        text: row => bytes(row.bytes),
        order: row => row.bytes,
        isNumber: true,
        isMinor: true
      },
      { label: 'Advice', text: row => row.advice ?? '', isMinor: true, tone: () => 'warn' }
    ],
    keyOf: row => row.id,
    onOpen: row => {
      openId = row.id
      showDetail(row)
      detail.scrollIntoView({ block: 'nearest' })
      detail.querySelector('button')?.focus()
    },
    empty: 'Loading…',
    orderBy: 1
  })
  const frame = createFrame('Live queries', 'The list of live queries', [],
    el('div', { class: 'filters' }, filter), summary, detail, table.node)

  const heading = el('h2')
  const watching = el('p')
  const showDetail = (row: Row): void => {
    if (detail.hidden) {
      detail.hidden = false
      fill(detail, el('div', { class: 'head' }, heading, button('Close', () => {
        detail.hidden = true
        openId = undefined
      })), about.node, watching)
    }
    heading.textContent = row.query
    about.show(factsOf(row))
    const watched = row.query.startsWith('find in ') ? `find in ${row.bucket ?? ''}` : row.query
    fill(watching, link(['connections', 'query', watched], {}, 'Connections that watch it'))
  }

  let before = new Map<string, QueryRow>()
  let beforeAt = 0
  const asked = poll(client, EVERY_MS, async () => {
    const { queries: list, total } = await client.request<QueryPage>('server.queries', {
      ...(filter.value !== '' && { filter: filter.value }), limit: MAX_ROWS
    })
    frame.recover()
    const at = performance.now()
    const seconds = (at - beforeAt) / 1_000
    const rows = list.map(row => withRates(row, before.get(row.id), seconds))
    before = new Map(list.map(row => [row.id, row]))
    beforeAt = at
    table.show(rows, filter.value === '' ? 'Nothing is watched.' : 'No live query fits.')
    summary.textContent = list.length < total
      ? `The costliest ${number(list.length)} of ${number(total)}: search to see the others.`
      : ''
    const opened = rows.find(({ id }) => id === openId)
    if (opened !== undefined) showDetail(opened)
  }, frame.fail)
  return { node: frame.node, close: asked.stop }
}

function withRates (row: QueryRow, before: QueryRow | undefined, seconds: number): Row {
  const per = (now: number, old: number | undefined): number =>
    old === undefined || seconds <= 0 ? NaN : Math.max(0, now - old) / seconds
  return {
    ...row,
    perSecond: per(row.evaluations, before?.evaluations),
    total: totalOf(row),
    load: per(totalOf(row), before && totalOf(before)) * 1_000
  }
}

function totalOf ({ seconds, updateSeconds = 0 }: QueryRow): number {
  return seconds + updateSeconds
}

function factsOf (row: Row): Record<string, string> {
  return {
    Kind: row.kind,
    Bucket: text(row.bucket),
    Parameters: text(row.params?.join(', ')),
    Watchers: number(row.watchers),
    Evaluations: `${number(row.evaluations)}, ${rate(row.perSecond)} per s`,
    Updates: `${number(row.updates)} in ${ms((row.updateSeconds ?? 0) * 1_000)}`,
    Time: `${ms(row.seconds * 1_000)}, last ${ms(row.lastMs)}, longest ${ms(row.maxMs)}`,
    Slow: number(Number(row.slow)),
    Result: `${number(row.rows)} rows, ${bytes(row.bytes)}`,
    Advice: text(row.advice)
  }
}
