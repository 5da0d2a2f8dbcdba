import { audit } from './audit.js'
import { auditedWrites } from './audited-writes.js'
import { connect } from './connect.js'
import { durability } from './durability.js'
import { fairness } from './fairness.js'
import { fanOut } from './fan-out.js'
import { heartbeat } from './heartbeat.js'
import { idle } from './idle.js'
import { journal } from './journal.js'
import { login } from './login.js'
import { metrics } from './metrics.js'
import { permission } from './permission.js'
import { rules } from './rules.js'
import { request } from './request.js'
import { store } from './store.js'
import { trail } from './trail.js'
import { transfer } from './transfer.js'
import type { Row } from './row.js'

/** All benchmarks by name, in the order in which they run. */
export const benchmarks: ReadonlyMap<string, () => Promise<Row[]>> = new Map([
  ['get', async () => await request('get', { ws: 1, rawNet: 1.25, single: 1.05 })],
  ['insert', async () => await request('insert', { ws: 1.5, rawNet: 1.4, single: 1.15 })],
  ['update', async () => await request('update', { ws: 1.2, rawNet: 1.35, single: 1.05 })],
  ['store', store],
  ['fan-out', fanOut],
  ['permission', permission],
  ['metrics', metrics],
  ['login', login],
  ['audit', audit],
  ['audited-writes', auditedWrites],
  ['trail', trail],
  ['journal', journal],
  ['durability', durability],
  ['rules', rules],
  ['connect', connect],
  ['heartbeat', heartbeat],
  ['idle', idle],
  ['fairness', fairness],
  // Last, since it needs databases.
  ['transfer', transfer]
])
