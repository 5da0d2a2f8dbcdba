import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import type { AuditSink } from '../../lib/audit/sink.js'
import { Store } from '../../lib/exports/store.js'
import { serve } from '../support/service.js'
import { Scrape } from '../support/prometheus-text.js'
import { projectFile } from '../support/project-file.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

interface Target {
  readonly expr: string
  readonly refId: string
  readonly legendFormat: string
}

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly gridPos: { readonly x: number, readonly y: number, readonly w: number, readonly h: number }
  readonly datasource?: { readonly uid: string }
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } }
  readonly targets?: readonly Target[]
}

interface Dashboard {
  readonly schemaVersion: number
  readonly uid: string
  readonly panels: readonly Panel[]
  readonly templating: {
    readonly list: ReadonlyArray<{ readonly name: string, readonly type: string, readonly query: unknown }>
  }
}

const dashboard = JSON.parse(readFileSync(projectFile('deploy/grafana-dashboard.json'), 'utf8')) as Dashboard
const panels = dashboard.panels.filter(({ type }) => type !== 'row')
const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))

/**
 * The names of metrics in a text. Names that label values have are in quotes, and none of those starts so.
 */
function names (text: string): string[] {
  return text.match(/\b(?:noex|nodejs|process)_\w+/g) ?? []
}

t.test('the dashboard', async t => {
  const sink: AuditSink = {
    name: 'sink',
    policy: { admin: 'drop', write: 'drop', read: 'drop' },
    open: async () => ({ async write () {}, async close () {} })
  }
  const store = await Store.start({ durability: { directory: temporaryDirectory(t) } })
  t.teardown(async () => { await store.stop() })
  const options = {
    routes: { metrics: '/metrics' },
    audit: { sinks: [sink], logLevel: 'silent' },
    slowMs: 0,
    connectionLimits: { maxConnections: 100 }
  } as const
  const { app, connect } = await serve(t, options, { store })
  store.defineQuery('slow', async () => { await setTimeout(2) })
  await (await connect()).ask('store.subscribe', { query: 'slow' })
  // prom-client has none of garbage collections before the first one.
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const scrapeNow = async (): Promise<Scrape> => new Scrape((await app.inject('/metrics')).body)
  await until(async () => {
    collect()
    return (await scrapeNow()).samples('nodejs_gc_duration_seconds_sum').length > 0
  })
  const scrape = await scrapeNow()

  t.test('asks for nothing that a scrape does not have', t => {
    const asked = new Set([...expressions, JSON.stringify(dashboard.templating)].flatMap(names))
    t.ok(asked.size > 20)
    for (const name of asked) t.ok(scrape.samples(name).length > 0, name)
    t.end()
  })

  t.test('asks by labels that the metrics have', t => {
    for (const expr of expressions) {
      const labels = new Set(
        names(expr).flatMap(name => scrape.samples(name).flatMap(({ labels }) => Object.keys(labels)))
      )
      // Prometheus adds these.
      for (const label of ['job', 'instance']) labels.add(label)
      const used = [
        ...[...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(', ')),
        ...[...expr.matchAll(/(\w+)(?:=~|!=|=)"/g)].map(([, label = '']) => label)
      ]
      for (const label of used) t.ok(labels.has(label), `${label} in ${expr}`)
    }
    t.end()
  })

  t.test('takes counters by their rate, and everything of the chosen instances only', t => {
    for (const expr of expressions) {
      for (const name of names(expr)) {
        const selector = `${name}{job=~"$job", instance=~"$instance"`
        t.ok(expr.includes(selector), expr)
        const isCount = scrape.families.get(name)?.type === 'counter' || !scrape.families.has(name)
        if (isCount) {
          t.match(expr, new RegExp(`(?:rate|increase)\\(${name}\\{[^}]*\\}\\[\\$__rate_interval\\]\\)`), expr)
        }
      }
    }
    t.end()
  })

  t.test('shows every metric of its own', t => {
    const shown = new Set(expressions.flatMap(names).map(name => name.replace(/_(?:bucket|sum|count)$/, '')))
    for (const name of scrape.families.keys()) if (name.startsWith('noex_')) t.ok(shown.has(name), name)
    t.end()
  })

  t.test('is one that Grafana takes: a source to choose, and distinct panels that do not overlap', t => {
    t.equal(dashboard.schemaVersion, 42)
    t.equal(dashboard.templating.list.find(({ type }) => type === 'datasource')?.name, 'datasource')
    t.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length)
    const cells = new Set<string>()
    for (const { gridPos: { x, y, w, h }, title } of dashboard.panels) {
      t.ok(x + w <= 24, title)
      for (let column = x; column < x + w; column++) {
        for (let row = y; row < y + h; row++) {
          t.notOk(cells.has(`${column}/${row}`), title)
          cells.add(`${column}/${row}`)
        }
      }
    }
    for (const { title, description, datasource, fieldConfig, targets = [] } of panels) {
      t.equal(datasource?.uid, '$' + '{datasource}', title)
      t.ok(description, title)
      t.ok(fieldConfig?.defaults.unit, title)
      t.ok(targets.length > 0 && new Set(targets.map(({ refId }) => refId)).size === targets.length, title)
      for (const { expr } of targets) t.equal(expr.split('(').length, expr.split(')').length, expr)
    }
    t.end()
  })
})
