import { execFileSync } from 'node:child_process'
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { freePort } from '../support/free-port.js'
import { hasProgram, startProgram } from '../support/program.js'
import { routes } from '../support/prometheus-text.js'
import { serve } from '../support/service.js'
import { adapted, deployPath, shipped } from '../support/shipped-file.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

const TOKEN = 'q7Zt2mXw9LcB4vNf8RkD'

/** Runs promtool, with `input` as its standard input. Returns what it complains of; '' for nothing. */
function promtool (args: readonly string[], input = ''): string {
  try {
    execFileSync('promtool', args, { input, encoding: 'utf8', stdio: 'pipe' })
    return ''
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string, stderr: string }
    return `${stdout}${stderr}` || String(error)
  }
}

/** A folder with the shipped files, and a token. */
function shippedFolder (t: Test): string {
  const folder = temporaryDirectory(t)
  for (const name of ['prometheus.yml', 'prometheus-rules.yaml']) {
    copyFileSync(deployPath(name), join(folder, name))
  }
  writeFileSync(join(folder, 'noex-scrape-token'), TOKEN)
  return folder
}

interface Rule {
  readonly alert: string
  readonly expr: string
}

const { groups } = parse(shipped('prometheus-rules.yaml')) as {
  readonly groups: ReadonlyArray<{ readonly rules: readonly Rule[] }>
}
const rules = groups.flatMap(({ rules }) => rules)

/** Series by their selector, in the notation of promtool: one value a minute. */
type Series = Readonly<Record<string, string>>

const flat = (value: number | string): string => `${value}x30`
const rising = (step: number): string => `0+${step}x30`

/** For each alert series with which it fires within 20 minutes, and those with which it does not. */
const cases: Readonly<Record<string, { readonly fires: Series, readonly quiet: Series }>> = {
  NoexDown: {
    fires: { 'up{job="noex"}': flat(0) }, quiet: { 'up{job="noex"}': flat(1), 'up{job="other"}': flat(0) }
  },
  NoexNotReady: {
    fires: { noex_ready: flat(0), noex_draining: flat(0) },
    quiet: { noex_ready: flat(0), noex_draining: flat(1) }
  },
  NoexStoreUnavailable: {
    fires: { noex_store_unavailable: flat(1) }, quiet: { noex_store_unavailable: flat(0) }
  },
  NoexStoreLag: {
    fires: { noex_store_lag_seconds: flat(3) }, quiet: { noex_store_lag_seconds: '0 9 0 9 0x26' }
  },
  NoexStoreDiskLow: {
    fires: disk(100, 100, 399), quiet: disk(100, 100, 401)
  },
  NoexAuditFailing: {
    fires: { 'noex_audit_failing{sink="a"}': flat(1) }, quiet: { 'noex_audit_failing{sink="a"}': '0 1 0x28' }
  },
  NoexAuditLag: {
    fires: { 'noex_audit_lag_seconds{sink="a"}': rising(60) },
    quiet: { 'noex_audit_lag_seconds{sink="a"}': flat(29) }
  },
  NoexAuditGap: {
    fires: { 'noex_audit_dropped_entries_total{sink="a"}': rising(1) },
    quiet: { 'noex_audit_dropped_entries_total{sink="a"}': flat(7) }
  },
  NoexEventLoopDelay: {
    fires: { noex_event_loop_delay_p99_seconds: flat(0.3) },
    quiet: { noex_event_loop_delay_p99_seconds: '0.3x3 0.1x3 0.3x3 0.1x21' }
  },
  NoexSlowEvaluations: {
    fires: { 'noex_slow_evaluations_total{query="totals"}': rising(12) },
    quiet: { 'noex_slow_evaluations_total{query="totals"}': rising(3) }
  },
  NoexHeap: {
    fires: { nodejs_heap_size_used_bytes: flat(90), noex_heap_limit_bytes: flat(100) },
    quiet: { nodejs_heap_size_used_bytes: flat(80), noex_heap_limit_bytes: flat(100) }
  },
  NoexQueuedBytes: {
    fires: { noex_queued_bytes: flat(100_000_000) }, quiet: { noex_queued_bytes: flat(60_000_000) }
  },
  NoexRefusals: {
    fires: { 'noex_refusals_total{limit="rate_limit"}': rising(120) },
    quiet: { 'noex_refusals_total{limit="rate_limit"}': rising(30) }
  },
  NoexConnectionsNearLimit: {
    fires: { noex_connections: flat(95), noex_connections_limit: flat(100) },
    quiet: { noex_connections: flat(95) }
  },
  NoexInternalErrors: {
    fires: { 'noex_requests_total{code="INTERNAL_ERROR"}': rising(12) },
    quiet: {
      'noex_requests_total{code="INTERNAL_ERROR"}': rising(1), 'noex_requests_total{code="ok"}': rising(900)
    }
  }
}

function disk (log: number, snapshots: number, free: number): Series {
  return Object.fromEntries(Object.entries({ log, snapshots, free })
    .map(([kind, bytes]) => [`noex_store_disk_bytes{kind="${kind}"}`, flat(bytes)]))
}

t.test('the rules and the configuration are such that Prometheus takes them', async t => {
  if (!hasProgram(t, 'promtool')) return
  const folder = shippedFolder(t)
  t.equal(promtool(['check', 'rules', join(folder, 'prometheus-rules.yaml')]), '')
  t.equal(promtool(['check', 'config', join(folder, 'prometheus.yml')]), '')
  t.match(promtool(['check', 'config', deployPath('prometheus.yml')]), /noex-scrape-token/, 'it needs the token')
})

t.test('each alert fires when it should, and does not when it should not', async t => {
  if (!hasProgram(t, 'promtool')) return
  t.same(Object.keys(cases), rules.map(({ alert }) => alert), 'each has a case')
  const folder = shippedFolder(t)
  const run = (alert: string, series: Series, fires: boolean): string => {
    const path = join(folder, 'test.yaml')
    const inputs = Object.entries(series).map(([series, values]) => ({ series, values }))
    // promtool compares labels, which differ, so what is asked for is whether there are any.
    const promql = { expr: `count(ALERTS{alertname="${alert}", alertstate="firing"})`, eval_time: '20m' }
    const expected = fires ? [{ labels: '{}', value: 1 }] : []
    writeFileSync(path, JSON.stringify({
      rule_files: ['prometheus-rules.yaml'],
      evaluation_interval: '1m',
      tests: [{
        interval: '1m', input_series: inputs, promql_expr_test: [{ ...promql, exp_samples: expected }]
      }]
    }))
    return promtool(['test', 'rules', path])
  }
  for (const [alert, { fires, quiet }] of Object.entries(cases)) {
    t.equal(run(alert, fires, true), '', `${alert} fires`)
    t.equal(run(alert, quiet, false), '', `${alert} does not fire`)
    t.not(run(alert, quiet, true), '', `and promtool would say so: ${alert}`)
  }
})

t.test('a scrape is one that Prometheus takes, and has every metric that the alerts ask for', async t => {
  const { app, store, connect } = await serve(t, {
    routes, slowMs: 0, connectionLimits: { maxConnections: 10 }, audit: { sinks: [], logLevel: 'silent' }
  })
  store.defineQuery('odd "name"\\ of\na query', async () => 1)
  await (await connect()).ask('store.query', { query: 'odd "name"\\ of\na query' })
  const { body } = await app.inject('/metrics')
  if (hasProgram(t, 'promtool')) t.equal(promtool(['check', 'metrics'], body), '')
  const asked = new Set(rules.flatMap(({ expr }) => expr.match(/\b(?:noex|nodejs)_\w+/g) ?? []))
  t.ok(asked.size >= 15)
  for (const name of asked) t.ok(body.includes(`# TYPE ${name} `), name)
})

t.test('Prometheus itself scrapes with the token, and evaluates the alerts', async t => {
  if (!hasProgram(t, 'prometheus')) return
  const { port } = await serve(t, { routes, auth: { validate: () => null, scrapeToken: TOKEN } })
  const folder = shippedFolder(t)
  writeFileSync(join(folder, 'prometheus.yml'), adapted('prometheus.yml', [
    ['127.0.0.1:8080', `127.0.0.1:${port}`], [/15s/, '1s']
  ]))
  const own = await freePort()
  const [config, data] = [join(folder, 'prometheus.yml'), join(folder, 'data')]
  const files = [`--config.file=${config}`, `--storage.tsdb.path=${data}`]
  await startProgram(t, ['prometheus', ...files, `--web.listen-address=127.0.0.1:${own}`], own)
  const ask = async (path: string): Promise<any> =>
    await (await fetch(`http://127.0.0.1:${own}/api/v1/${path}`)).json()
  const value = async (query: string): Promise<string | undefined> =>
    (await ask(`query?query=${encodeURIComponent(query)}`)).data?.result?.[0]?.value[1]
  await until(async () => await value('up{job="noex"}') !== undefined)
  t.equal(await value('up{job="noex"}'), '1')
  t.equal(await value('noex_ready{job="noex"}'), '1')
  const { data: { groups: [{ rules: known }] } } = await ask('rules')
  t.equal(known.length, rules.length)
  t.same(known.filter(({ lastError }: { lastError?: string }) => lastError !== undefined), [])
})
