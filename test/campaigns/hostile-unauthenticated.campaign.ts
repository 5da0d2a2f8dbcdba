// A crowd of unauthenticated clients: WebSockets that never log in and reconnect whenever they are closed,
// requests whose heads never end, and logins, most of them wrong, while a few clients that are logged in send
// requests.
// Prints what it measures.
//
// The crowd comes from some thousand addresses: a server on a host of its own would see the same from a
// botnet. It runs twice: with the limits of logins as they are by default, which refuse most guesses before
// anything is hashed, and without them, so that as many passwords are hashed as the server can.
//
// UNAUTHENTICATED, SLOW_HEADS and LOGINS_PER_SECOND set the crowd, UNAUTHENTICATED_SECONDS the time for which
// it is watched.
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ChildProgram } from './child-program.js'

const UNAUTHENTICATED = Number(process.env['UNAUTHENTICATED'] ?? 5_000)
const SLOW_HEADS = Number(process.env['SLOW_HEADS'] ?? 1_000)
const LOGINS_PER_SECOND = Number(process.env['LOGINS_PER_SECOND'] ?? 200)
const RUNS = Number(process.env['UNAUTHENTICATED_RUNS'] ?? 2)
const WATCH_MS = Number(process.env['UNAUTHENTICATED_SECONDS'] ?? 40) * 1_000
/**
 * As long as by default, or less where the crowd is watched for less: unauthenticated clients must be closed
 * while it is.
 */
const LOGIN_TIMEOUT_MS = Math.min(60_000, Math.round(WATCH_MS * 0.8))
/** Connections that may wait to log in: a few more than there are, so that there is room for logins. */
const MAX_UNAUTHENTICATED = Math.round(UNAUTHENTICATED * 1.1)
const MAX_PER_ADDRESS = 60
const CLIENTS = 10
const MAX_P99_MS = 100
const MIB = 1_048_576

const mib = (bytes: number): string => `${(bytes / MIB).toFixed(0)} MiB`

const runs: ReadonlyArray<readonly [title: string, maxAttempts: number]> = [
  ['the limits of logins as by default', 5],
  ['no limits of logins', 1_000_000_000]
]

for (const [title, maxAttempts] of runs.slice(0, RUNS)) {
  const crowdTitle = `${UNAUTHENTICATED} unauthenticated, ${SLOW_HEADS} endless heads, ` +
    `${LOGINS_PER_SECOND} logins a second; ${title}`
  t.test(crowdTitle, { timeout: 3 * WATCH_MS + 300_000 }, async t => {
    const limits = [MAX_UNAUTHENTICATED, MAX_PER_ADDRESS, maxAttempts, LOGIN_TIMEOUT_MS].map(String)
    const server = await ChildProgram.start(t, 'unauthenticated-server.js', ...limits)
    const crowd = await ChildProgram.start(t, 'unauthenticated-driver.js')
    const clients = await ChildProgram.start(t, 'round-trips.js')
    const port = await server.ask('port')
    await clients.ask('begin', { port, tokens: await server.ask('tokens', CLIENTS), pauseMs: 20 })
    await sleep(3_000)
    await clients.ask('figures')
    await sleep(Math.min(WATCH_MS, 10_000))
    t.comment(
      `alone: round trips ${JSON.stringify(await clients.ask('figures'))}, RSS ` +
        `${mib((await server.ask('figures')).rss)}`
    )

    await Promise.all([
      crowd.ask('unauthenticated', { port, amount: UNAUTHENTICATED, perAddress: 50, network: 1 }),
      crowd.ask('slowHeads', { port, amount: SLOW_HEADS }),
      crowd.ask('logins', { port, rate: LOGINS_PER_SECOND, oneRightIn: 5 })
    ])
    t.comment(`while the crowd arrives: round trips ${JSON.stringify(await clients.ask('figures'))}`)
    await crowd.ask('figures')
    const { cpuMs } = await server.ask('figures')
    await sleep(WATCH_MS)
    const during = await clients.ask('figures')
    const figures = await server.ask('figures')
    const counted = await crowd.ask('figures')
    t.comment(`with the crowd, for ${WATCH_MS / 1_000} s: round trips ${JSON.stringify(during)}`)
    t.comment(
      `server: ${figures.connections} connections, at most ${figures.peakUnauthenticated} of them not ` +
        `logged in, RSS at most ${mib(figures.peakRss)}, ` +
        `${(((figures.cpuMs - cpuMs) / WATCH_MS) * 100).toFixed(0)} % of a core`
    )
    t.comment(`crowd: ${JSON.stringify(counted)}`)
    t.ok(during.p99 < MAX_P99_MS, `p99 of those that are logged in is ${during.p99} ms`)
    t.equal(during.failures, 0, 'and nothing of what they ask is refused')
    t.ok(counted['unauthenticated closed with login_timeout'] > 0, 'unauthenticated clients are closed')
    t.ok(counted['slow heads answered 408'] > 0, 'so are heads that never end')

    // More than one address may have, and then more than may wait.
    await crowd.ask('unauthenticated', {
      port,
      amount: 2 * MAX_PER_ADDRESS,
      perAddress: 2 * MAX_PER_ADDRESS,
      network: 7
    })
    await sleep(2_000)
    await crowd.ask('unauthenticated', {
      port,
      amount: Math.round(UNAUTHENTICATED / 5),
      perAddress: 50,
      network: 6
    })
    await sleep(Math.min(WATCH_MS, 10_000))
    const over = await server.ask('figures')
    const refused = await crowd.ask('figures')
    t.comment(
      `too many: at most ${over.peakUnauthenticated} not logged in, RSS at most ${mib(over.peakRss)}, ` +
        `round trips ${JSON.stringify(await clients.ask('figures'))}, crowd: ${JSON.stringify(refused)}`
    )
    t.ok(
      over.peakUnauthenticated <= MAX_UNAUTHENTICATED,
      `no more than ${MAX_UNAUTHENTICATED} wait to log in`
    )
    t.ok(refused['unauthenticated answered 503'] > 0, 'one more is answered 503')
    t.ok(
      refused['unauthenticated closed with too_many_connections'] > 0,
      `more than ${MAX_PER_ADDRESS} of one address are closed`
    )
  })
}
