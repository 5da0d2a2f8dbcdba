import { audit } from './audit.js'
import { auditedWrites } from './audited-writes.js'
import { capacity } from './capacity.js'
import { cluster } from './cluster.js'
import { connect } from './connect.js'
import { consoleCost } from './console.js'
import { durability } from './durability.js'
import { fairness } from './fairness.js'
import { fanOut } from './fan-out.js'
import { heartbeat } from './heartbeat.js'
import { growth } from './growth.js'
import { idle } from './idle.js'
import { journal } from './journal.js'
import { login } from './login.js'
import { metrics } from './metrics.js'
import { peers } from './peers.js'
import { permission } from './permission.js'
import { rpc } from './rpc.js'
import { rules } from './rules.js'
import { request, type RequestTargets } from './request.js'
import { stampede } from './stampede.js'
import { store } from './store.js'
import { trail } from './trail.js'
import { transfer } from './transfer.js'
import type { Row } from './row.js'

/** All lines at the end, or each as soon as it is known. */
type Rows = Promise<Row[]> | AsyncIterable<Row>

/** A benchmark; `isQuick` asks for tiny sizes, and counts only where there is a quick form. */
export interface Benchmark {
  readonly run: (isQuick: boolean) => Rows
  readonly hasQuick: boolean
}

/** All benchmarks by name, in the order in which they run. */
export const benchmarks: ReadonlyMap<string, Benchmark> = new Map([
  ['get', requests('get', { ws: 1, rawNet: 1.25, single: 1.05 })],
  ['insert', requests('insert', { ws: 1.5, rawNet: 1.4, single: 1.15 })],
  ['update', requests('update', { ws: 1.2, rawNet: 1.35, single: 1.05 })],
  ['rpc', quick(rpc)],
  ['store', whole(store)],
  ['fan-out', quick(fanOut)],
  ['growth', quick(growth)],
  ['stampede', quick(stampede)],
  ['permission', whole(permission)],
  ['metrics', whole(metrics)],
  ['login', whole(login)],
  ['audit', whole(audit)],
  ['audited-writes', whole(auditedWrites)],
  ['trail', whole(trail)],
  ['journal', whole(journal)],
  ['durability', whole(durability)],
  ['rules', whole(rules)],
  ['connect', quick(connect)],
  ['heartbeat', whole(heartbeat)],
  ['idle', quick(idle)],
  ['capacity', quick(capacity)],
  ['fairness', whole(fairness)],
  // In Chromium, which takes a core for itself.
  ['console', quick(consoleCost)],
  // These install what they compare with.
  ['peers', quick(peers)],
  // Last, since they need databases.
  ['transfer', whole(transfer)],
  ['cluster', quick(cluster)]
])

function whole (run: () => Promise<Row[]>): Benchmark {
  return { run, hasQuick: false }
}

function quick (run: Benchmark['run']): Benchmark {
  return { run, hasQuick: true }
}

function requests (name: 'get' | 'insert' | 'update', targets: RequestTargets): Benchmark {
  return quick(async isQuick => await request(name, targets, isQuick))
}
