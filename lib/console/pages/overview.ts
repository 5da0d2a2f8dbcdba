import { el, link } from '../dom.js'
import { bytes, duration, ms, number, person, rate, text, time, NONE } from '../format.js'
import { createFrame, section } from '../frame.js'
import type { Context, Page, View } from '../page.js'
import { createPlot, type Plot } from '../plot.js'
import { poll } from '../poll.js'
import { ratesOf, type OperationRow, type Rates } from '../rates.js'
import { createTable, facts } from '../table.js'
import type { Refusal, Stats } from '../wire.js'

/** Time between two looks at the figures, and at the refusals, in milliseconds. */
const EVERY_MS = 2_000
const REFUSALS_EVERY_MS = 8_000

/** The figures of the server, as they move. */
export const overview: Page = { name: 'overview', title: 'Overview', open }

function open ({ client }: Context): View {
  const server = facts('Server')
  const plots = createPlots()
  const operations = operationTable()
  const limits = createTable<readonly [string, number]>({
    label: 'Refusals by limit',
    columns: [
      { label: 'Limit', text: ([name]) => name.replaceAll('_', ' '), order: ([name]) => name },
      {
        label: 'Count',
        text: ([, count]) => number(count),
        order: ([, count]) => count,
        isNumber: true,
        width: '7rem'
      }
    ],
    keyOf: ([name]) => name,
    empty: 'No limit has been reached.',
    orderBy: 1
  })
  const refusals = refusalTable('Last refusals')
  const durability = el('p', { class: 'tone' })
  const frame = createFrame('Overview', 'The overview', [],
    server.node, durability, el('div', { class: 'plots' }, ...plots.all.map(({ node }) => node)),
    section('Operations', operations.node),
    section('Last refusals', refusals.node),
    section('Refusals by limit', limits.node),
    el('p', { class: 'quiet' }, 'The noisiest client stands first among the ',
      link(['connections'], {}, 'connections'), ', the slowest query among the ',
      link(['queries'], {}, 'live queries'), '.'))

  let before: Stats | undefined
  let beforeAt = 0
  const figures = poll(client, EVERY_MS, async () => {
    const stats = await client.request<Stats>('server.stats')
    const at = performance.now()
    const rates = ratesOf(stats, before, (at - beforeAt) / 1_000)
    before = stats
    beforeAt = at
    frame.recover()
    server.show(serverFacts(stats))
    showSafety(durability, stats)
    plots.add(stats, rates)
    operations.show(rates.operations,
      stats.operations === undefined ? 'This server does not count its operations.' : undefined)
    limits.show(Object.entries(stats.refusals ?? {}).filter(([, count]) => count > 0))
  }, frame.fail)
  const last = poll(client, REFUSALS_EVERY_MS, async () => {
    const { refusals: list } = await client.request<{ readonly refusals: readonly Refusal[] }>(
      'server.refusals', { limit: 50 })
    refusals.show(list)
  }, error => { frame.fail(error, 'The last refusals') })
  return {
    node: frame.node,
    close: () => {
      figures.stop()
      last.stop()
      plots.close()
    }
  }
}

function serverFacts (
  { uptimeMs, connections, store, audit, process, queues }: Stats
): Record<string, string> {
  return {
    'Up for': duration(uptimeMs),
    Connections: `${number(connections.active)}, ${number(connections.authenticated)} logged in`,
    Subscriptions: `${number(connections.totalStoreSubscriptions)} to queries, ` +
      `${number(connections.totalRulesSubscriptions)} to events`,
    Records: number(store?.records.total),
    'In the store': bytes(store?.bytes?.total),
    'Waiting to be sent': bytes(queues?.bytes),
    'Largest queue': bytes(queues?.largestBytes),
    Heap: process === undefined
      ? NONE
      : `${bytes(process.heapUsedBytes)} of ${bytes(process.heapTotalBytes)}`,
    'Garbage collection': process === undefined
      ? NONE
      : `${ms(process.gc.seconds * 1_000)} in ${number(process.gc.count)}`,
    'Audit entries': text(audit === undefined ? undefined : number(audit.entries))
  }
}

/** Says whether what was written is safe: on disk, and in the trail. */
function showSafety (host: HTMLElement, { durability, audit }: Stats): void {
  const problems = (audit?.sinks ?? []).flatMap(({ name, problem, dropped, lagMs }) => [
    ...(problem === undefined || problem === null ? [] : [`The audit sink ${name} fails: ${problem}`]),
    ...(dropped > 0 ? [`The audit sink ${name} has left out ${number(dropped)} entries`] : []),
    ...(lagMs > 5_000 ? [`The audit sink ${name} is ${ms(lagMs)} behind`] : [])
  ])
  if (durability?.isUnavailable === true) {
    const { lastError } = durability
    const reason = lastError === undefined || lastError === null ? '' : `: ${lastError}`
    problems.unshift(`The disk takes no writes, and every write is refused${reason}`)
  } else if (durability?.isDiskLow === true) {
    problems.unshift(`The disk is nearly full: ${bytes(durability.freeBytes)} are left`)
  }
  const state = durability === undefined
    ? ''
    : durability === null
      ? 'The store is in memory only: a restart begins empty.'
      : `The store is on disk, ${ms(durability.lagMs)} behind${
        durability.diskBytes === undefined ? '' : `, in ${bytes(durability.diskBytes)}`}.`
  host.textContent = problems.length > 0 ? `${problems.join('. ')}.` : state
  host.dataset['tone'] = problems.length > 0 ? 'bad' : durability === null ? 'warn' : 'good'
  host.hidden = host.textContent === ''
}

function createPlots (): {
  readonly all: readonly Plot[]
  readonly add: (stats: Stats, rates: Rates) => void
  readonly close: () => void
} {
  const whole = (value: number): string => number(Math.round(value * 10) / 10)
  const line = (label: string, colour = 'first'): { label: string, colour: string } => ({ label, colour })
  const percent = (value: number): string => `${Math.round(value * 100)} %`
  const connections = createPlot({ title: 'Connections', lines: [line('now')], text: whole })
  const operations = createPlot({ title: 'Operations per second', lines: [line('now')], text: rate })
  const delay = createPlot({
    title: 'Event-loop delay', lines: [line('median'), line('p99', 'second')], text: ms
  })
  const latency = createPlot({ title: 'Slowest p99 of an operation', lines: [line('now')], text: ms })
  const memory = createPlot({ title: 'Memory', lines: [line('RSS'), line('heap', 'second')], text: bytes })
  const cpu = createPlot({ title: 'CPU, of one core', lines: [line('now')], text: percent })
  const refusals = createPlot({ title: 'Refusals per second', lines: [line('now')], text: rate })
  const lag = createPlot({ title: 'Lag', lines: [line('store'), line('audit', 'second')], text: ms })
  const queued = createPlot({ title: 'Waiting to be sent', lines: [line('all')], text: bytes })
  const all = [connections, operations, delay, latency, memory, cpu, refusals, lag, queued]
  return {
    all,
    add: (stats, { operationsPerSecond, cpu: share, refusalsPerSecond, operations: rows }) => {
      const at = Date.now()
      const { process, durability, audit } = stats
      const lags = (audit?.sinks ?? []).map(({ lagMs }) => lagMs)
      const called = rows.filter(({ perSecond }) => perSecond > 0).map(({ p99Ms }) => p99Ms)
      connections.add(at, [stats.connections.active])
      operations.add(at, [operationsPerSecond])
      delay.add(at, [process?.eventLoopDelayMs.p50 ?? null, process?.eventLoopDelayMs.p99 ?? null])
      latency.add(at, [called.length === 0 ? null : Math.max(...called)])
      memory.add(at, [process?.rssBytes ?? null, process?.heapUsedBytes ?? null])
      cpu.add(at, [share])
      refusals.add(at, [refusalsPerSecond])
      queued.add(at, [stats.queues?.bytes ?? null])
      lag.add(at, [durability?.lagMs ?? null, lags.length === 0 ? null : Math.max(...lags)])
    },
    close: () => { for (const plot of all) plot.close() }
  }
}

function operationTable () {
  return createTable<OperationRow>({
    label: 'Operations',
    columns: [
      { label: 'Operation', text: row => row.type, order: row => row.type, width: '12rem' },
      { label: 'per s', text: row => rate(row.perSecond), order: row => row.perSecond, isNumber: true },
      { label: 'p50', text: row => ms(row.p50Ms), order: row => row.p50Ms, isNumber: true, isMinor: true },
      { label: 'p99', text: row => ms(row.p99Ms), order: row => row.p99Ms, isNumber: true },
      { label: 'max', text: row => ms(row.maxMs), order: row => row.maxMs, isNumber: true, isMinor: true },
      { label: 'Time', text: row => ms(row.seconds * 1_000), order: row => row.seconds, isNumber: true },
      {
        label: 'Count',
        text: row => number(row.count),
        order: row => row.count,
        isNumber: true,
        isMinor: true
      },
      {
        label: 'Errors',
        text: row => number(row.errors),
        order: row => row.errors,
        isNumber: true,
        tone: row => row.errors > 0 ? 'warn' : undefined
      },
      {
        label: 'Sent',
        text: row => bytes(row.bytesOut),
        order: row => row.bytesOut,
        isNumber: true,
        isMinor: true
      }
    ],
    keyOf: row => row.type,
    empty: 'No operation has been called yet.',
    orderBy: 5
  })
}

function operationIn ({ operation, connectionId }: Refusal): string {
  if (operation !== null) return operation
  return typeof connectionId === 'string' ? 'no request' : 'connect'
}

function whoIn (refusal: Refusal): string {
  return text(person(refusal) ?? refusal.address)
}

/** Makes the list of refusals, of the server or of one connection. */
export function refusalTable (label: string, isOfConnection = false) {
  return createTable<Refusal>({
    label,
    columns: [
      { label: 'Time', text: row => time(row.at), width: '6rem' },
      ...(isOfConnection ? [] : [{ label: 'Who', text: whoIn, width: '9rem' }]),
      { label: 'Operation', text: operationIn, width: '11rem', isMinor: !isOfConnection },
      { label: 'Code', text: row => row.code, width: '14rem', isMinor: true, tone: () => 'warn' },
      { label: 'Reason', text: row => row.message }
    ],
    keyOf: row => `${row.at} ${row.connectionId ?? ''} ${row.operation ?? ''} ${row.message}`,
    empty: 'Nothing has been refused.'
  })
}
