import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { diskLatency } from '../driver/disk.js'
import { createDatabase } from '../driver/postgres-database.js'
import { installRivals } from '../driver/rivals.js'
import { alternate, type Cost } from '../driver/rounds.js'
import { TransferSetting, type ServedName } from '../driver/transfer-setting.js'
import type { Distribution } from '../workload/transfers.js'
import { rawNetGet } from './request.js'
import { compareRounds, type Row, type Target } from './row.js'

const CLIENTS = 64
const distributions: readonly Distribution[] = ['even', 'hot']

/**
 * How the transfers in a second compare with a rival's, by how many each client has under way. The many come
 * first: they warm the servers up.
 */
const loads = [
  {
    inFlight: 40,
    lastsMs: 1_000,
    // A load ends when the 2,560 transfers that are under way are answered.
    rounds: { warmUp: 1, rounds: 3, turns: 1 },
    atLeast: { 'SQLite FULL': 20, PostgreSQL: 20, 'SQLite NORMAL': 3, 'Redis always': 3 }
  },
  {
    inFlight: 1,
    lastsMs: 250,
    rounds: { warmUp: 1, rounds: 3, turns: 3 },
    atLeast: { 'SQLite FULL': 5, PostgreSQL: 5, 'SQLite NORMAL': 1, 'Redis always': 1.5 }
  }
] as const

/** The highest ratio of the CPU time of a transfer against ws with a Map and the same journal. */
const BARE_AT_MOST = 2

/** How long ours works before it is killed. */
const KILLED_AFTER_MS = 500

/** Measures transfers of money beside databases and a bare server, and looks at all balances. */
export async function transfer (): Promise<Row[]> {
  const rivals = installRivals()
  const folder = mkdtempSync(join(tmpdir(), 'noex-bench-'))
  const database = await createDatabase()
  const rows: Row[] = [await rawNetGet()]
  const { p50Ms, p99Ms } = diskLatency(folder)
  rows.push({ name: 'fdatasync of the disk, p50', unit: 'ms', noex: p50Ms })
  rows.push({ name: 'fdatasync of the disk, p99', unit: 'ms', noex: p99Ms })
  const setting = await TransferSetting.open({ clients: CLIENTS, folder, rivals, database: database.url })
  try {
    for (const load of loads) rows.push(...await measure(setting, load))
    rows.push(...await proven(setting))
  } finally {
    await setting.close()
    await database.drop()
    rmSync(folder, { recursive: true })
  }
  return rows
}

async function measure (
  setting: TransferSetting, { inFlight, lastsMs, rounds, atLeast }: typeof loads[number]
): Promise<Row[]> {
  const ways = distributions.flatMap(distribution =>
    setting.names.map(name => ({ key: `${distribution} ${name}`, name, distribution })))
  const servers = Object.fromEntries(ways.map(({ key, name }) => [key, setting.server(name)]))
  const costs = await alternate(servers, rounds, async (_server, key) => {
    const { name, distribution } = ways.find(way => way.key === key) as typeof ways[number]
    return await setting.run(name, { distribution, inFlight, lastsMs })
  })
  const costOf = (distribution: Distribution, name: ServedName): Cost =>
    costs[`${distribution} ${name}`] as Cost
  const others = setting.names.filter(name => name !== 'noex')
  const rows = distributions.flatMap(distribution => others.flatMap(name => {
    const [theirs, ours] = [costOf(distribution, name), costOf(distribution, 'noex')]
    const title = `${distribution} ${CLIENTS} × ${inFlight}, ${name}`
    const ratioAtLeast = name === 'bare ws' ? undefined : atLeast[name as keyof typeof atLeast]
    return [
      row(title, 'TPS', theirs, ours, ratioAtLeast === undefined ? undefined : { ratioAtLeast }),
      row(title, 'µs CPU', theirs, ours, name === 'bare ws' ? { ratioAtMost: BARE_AT_MOST } : undefined)
    ]
  }))
  const [even, hot] = [costOf('even', 'noex'), costOf('hot', 'noex')]
  return [...rows, row(`${CLIENTS} × ${inFlight}, even – hot`, 'TPS', even, hot, { ratioAtLeast: 0.9 })]
}

function row (name: string, unit: 'TPS' | 'µs CPU', bare: Cost, noex: Cost, target: Target | undefined): Row {
  const compared = unit === 'TPS'
    ? { ...compareRounds(name, unit, perSecond(bare), perSecond(noex)), latency: { bare, noex } }
    : compareRounds(name, unit, bare.rounds, noex.rounds)
  return { ...compared, ...(target && { target }) }
}

/** Returns the operations in a second of each round. */
function perSecond ({ passedMicros }: Cost): number[] {
  return passedMicros.map(micros => 1_000_000 / micros)
}

/**
 * Looks at the balances of all servers, then kills ours while it works, and looks at what it has after a
 * restart.
 * @throws where a rival has lost something: what it was measured at is not worth anything then
 */
async function proven (setting: TransferSetting): Promise<Row[]> {
  for (const name of setting.names) {
    const { totalOff, accountsOff, refused } = await setting.audit(name)
    if (name === 'noex') continue
    if (totalOff !== 0 || accountsOff !== 0 || refused !== 0) {
      throw new Error(`${name} has refused ${refused} transfers, and is wrong in ${accountsOff} accounts, ` +
        `in total by ${totalOff}`)
    }
  }
  const before = await setting.audit('noex')
  await setting.killUnderLoad({ distribution: 'even', inFlight: 40, lastsMs: KILLED_AFTER_MS })
  const after = await setting.audit('noex')
  const zero = (name: string, noex: number): Row => ({ name, unit: '', noex, target: { exactly: 0 } })
  return [
    zero('transfers refused', before.refused),
    zero('total of all balances, difference', before.totalOff),
    zero('accounts that are wrong', before.accountsOff),
    zero('the same after kill -9, total', after.totalOff),
    zero('the same after kill -9, accounts', after.accountsOff)
  ]
}
