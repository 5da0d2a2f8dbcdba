// Restarts of the server and reloads of the proxies of deploy/ while clients write, and the whole matrix of
// headers by which a client can try to be another user. Prints what it measures. CLIENTS, RELOADS and
// RESTARTS make it shorter. Server, proxy and clients share the machine.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import t, { type Test } from 'tap'
import { allAttempts } from '../support/spoof-attempts.js'
import { hasProgram } from '../support/program.js'
import { freePort } from '../support/free-port.js'
import { hasProxies, startProxy, type Proxy, type ProxyKind, type ProxySettings } from '../support/proxy.js'
import { runMatrix } from '../support/spoof-matrix.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { SavingServer, savedKeys } from './saving-server.js'
import { Episode, WRITE_EVERY_MS, WritingFleet } from './writing-fleet.js'

const CLIENTS = Number(process.env['CLIENTS'] ?? 1_000)
const RELOADS = Number(process.env['RELOADS'] ?? 20)
const RESTARTS = Number(process.env['RESTARTS'] ?? Math.min(RELOADS, 5))
const GRACE_PERIOD_MS = 5_000
/** Of the server that another one takes over from. A single server has none to leave new clients to. */
const DRAIN_DELAY_MS = 1_000
const BACK_WITHIN_MS = 10_000
/** Of few clients, a tenth of a second has a larger share by mere chance. */
const MAX_SHARE = CLIENTS >= 500 ? 0.1 : 0.25
const timeout = 600_000

const loopDelay = monitorEventLoopDelay({ resolution: 10 })
loopDelay.enable()

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`

/** The worst of several episodes. */
interface Worst {
  backMs: number
  dueShare: number
  attemptShare: number
  returnShare: number
  cuts: number
  failedAttempts: number
}

const nothing = (): Worst => ({
  backMs: 0,
  dueShare: 0,
  attemptShare: 0,
  returnShare: 0,
  cuts: 0,
  failedAttempts: 0
})

/** Adds an episode. The time until all are back begins with the first connection that ends. */
function note (worst: Worst, { firstClose, due, attempts, returns, cuts, failedAttempts }: Episode): void {
  worst.backMs = Math.max(worst.backMs, firstClose === undefined ? 0 : Math.max(...returns) - firstClose)
  worst.dueShare = Math.max(worst.dueShare, Episode.largestShare(due, CLIENTS))
  worst.attemptShare = Math.max(worst.attemptShare, Episode.largestShare(attempts, CLIENTS))
  worst.returnShare = Math.max(worst.returnShare, Episode.largestShare(returns, CLIENTS))
  worst.cuts += cuts
  worst.failedAttempts += failedAttempts
}

function report (
  t: Test,
  what: string,
  { backMs, dueShare, attemptShare, returnShare, cuts, failedAttempts }: Worst
): void {
  t.comment(
    `${what}: ${cuts} connections ended; all back at most ${seconds(backMs)} after the first of them; ` +
      `${failedAttempts} attempts failed; ` +
      `in one tenth of a second at most ${percent(dueShare)} of the clients meant to come, ` +
      `${percent(attemptShare)} tried and ${percent(returnShare)} were welcomed; ` +
      `this process was held up for at most ${Math.round(loopDelay.max / 1e6)} ms`
  )
  loopDelay.reset()
  t.ok(backMs < BACK_WITHIN_MS, `all are back within ${seconds(BACK_WITHIN_MS)}`)
  t.ok(
    attemptShare <= MAX_SHARE,
    `never do more than ${percent(MAX_SHARE)} try to come in one tenth of a second`
  )
}

async function serverIn (
  t: Test,
  directory: string,
  drainDelayMs = 0
): Promise<{ server: SavingServer, port: number }> {
  const port = await freePort()
  return {
    server: new SavingServer(t, { port, directory, gracePeriodMs: GRACE_PERIOD_MS, drainDelayMs }),
    port
  }
}

async function fleetBehind (t: Test, { port }: Proxy): Promise<WritingFleet> {
  const fleet = new WritingFleet(CLIENTS, port)
  t.teardown(() => { fleet.stop() })
  await fleet.start()
  return fleet
}

/** Ends everything, and compares what was acknowledged with what is in the files. */
async function compare (
  t: Test,
  fleet: WritingFleet,
  servers: readonly SavingServer[],
  directories: readonly string[]
): Promise<void> {
  await fleet.end()
  for (const server of servers) await server.stop()
  const saved = new Set<string>()
  for (const directory of directories) for (const key of await savedKeys(directory)) saved.add(key)
  const lost = [...fleet.acknowledged].filter(key => !saved.has(key))
  t.comment(`${fleet.acknowledged.size} writes acknowledged, ${lost.length} lost; ${fleet.refused} refused`)
  t.same(lost.slice(0, 10), [], 'no acknowledged write is lost')
  t.equal(fleet.refused, 0, 'none is refused')
}

t.comment(`${CLIENTS} clients, each writes every ${WRITE_EVERY_MS} ms over TLS`)

t.test(`${RESTARTS} restarts of the only server behind nginx`, { timeout }, async t => {
  if (!hasProgram(t, 'nginx', '-v')) return
  const directory = temporaryDirectory(t)
  const { server, port } = await serverIn(t, directory)
  await server.start()
  const fleet = await fleetBehind(t, await startProxy(t, 'nginx', { upstreams: [port] }))
  const worst = nothing()
  for (let i = 0; i < RESTARTS; i++) {
    const episode = fleet.watch()
    await server.stop()
    const ended = performance.now()
    await server.start()
    const listening = performance.now()
    await fleet.recovered(episode, { isCut: true })
    note(worst, episode)
    const first = episode.firstClose ?? 0
    t.comment(
      `restart ${i + 1}: drained and saved in ${seconds(ended - first)}, away for ` +
        `${seconds(listening - ended)}, all back after ${seconds(Math.max(...episode.returns) - first)}`
    )
  }
  report(t, 'restarts', worst)
  await compare(t, fleet, [server], [directory])
})

t.test('a new server takes over from an old one behind nginx', { timeout }, async t => {
  if (!hasProgram(t, 'nginx', '-v')) return
  const directories = [temporaryDirectory(t), temporaryDirectory(t)] as const
  const old = await serverIn(t, directories[0], DRAIN_DELAY_MS)
  const next = await serverIn(t, directories[1])
  await old.server.start()
  const fleet = await fleetBehind(t, await startProxy(t, 'nginx', { upstreams: [old.port, next.port] }))
  await next.server.start()
  const episode = fleet.watch()
  await old.server.stop()
  await fleet.recovered(episode, { isCut: true })
  const worst = nothing()
  note(worst, episode)
  report(t, 'takeover', worst)
  t.equal(worst.failedAttempts, 0, 'no attempt to connect fails')
  await compare(t, fleet, [next.server], directories)
})

/** Reloads a proxy again and again, each time when all clients write again. */
async function reloads (
  t: Test,
  kind: ProxyKind,
  { isCut, changes = [] }: { readonly isCut: boolean } & Pick<ProxySettings, 'changes'>
): Promise<Worst> {
  const directory = temporaryDirectory(t)
  const { server, port } = await serverIn(t, directory)
  await server.start()
  const proxy = await startProxy(t, kind, { upstreams: [port], changes })
  const fleet = await fleetBehind(t, proxy)
  const worst = nothing()
  for (let i = 0; i < RELOADS; i++) {
    const episode = fleet.watch()
    await proxy.reload()
    await fleet.recovered(episode, { isCut })
    note(worst, episode)
  }
  report(t, `${RELOADS} reloads`, worst)
  await compare(t, fleet, [server], [directory])
  return worst
}

t.test(`${RELOADS} reloads of nginx, as deploy/ has it`, { timeout }, async t => {
  if (!hasProgram(t, 'nginx', '-v')) return
  t.equal((await reloads(t, 'nginx', { isCut: false })).cuts, 0, 'no client notices')
})

t.test(`${RELOADS} reloads of nginx that gives its clients a second`, { timeout }, async t => {
  if (!hasProgram(t, 'nginx', '-v')) return
  await reloads(t, 'nginx', {
    isCut: true,
    changes: [['worker_shutdown_timeout 10m;', 'worker_shutdown_timeout 1s;']]
  })
})

t.test(`${RELOADS} reloads of Caddy, which ends every WebSocket`, { timeout }, async t => {
  if (!hasProgram(t, 'caddy', 'version')) return
  await reloads(t, 'caddy', { isCut: true })
})

t.test('the whole matrix of headers, through both proxies', { timeout }, async t => {
  if (!hasProxies(t)) return
  const { accepted, unrecorded, blocked, attempts, harmless, recorded, stopped } = await runMatrix(t, {
    attempts: allAttempts
  })
  t.comment(
    `${attempts} attempts: ${accepted.length} accepted, ${harmless} without effect, ${recorded} refused ` +
      `and in the audit trail, ${unrecorded.length} refused and not in it, ${stopped} refused before they ` +
      'were a request'
  )
  t.same(accepted, [], 'no client is taken for another')
  t.same(blocked, [], 'no honest client is kept out')
  t.same(unrecorded, [], 'what the service refuses is in its audit trail')
})
