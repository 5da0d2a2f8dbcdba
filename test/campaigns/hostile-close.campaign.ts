// How long a close takes while many clients do each of the things of test/support/close-behaviours.ts, and
// while all of them do all of it at once. Prints a table. CLOSE_CLIENTS sets the clients of each kind,
// CLOSE_GRACES the grace periods, in milliseconds.
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { behaviours } from '../support/close-behaviours.js'
import { ALLOWANCE_MS, serveToClose, type ServerKind } from '../support/closing-server.js'

const CLIENTS = Number(process.env['CLOSE_CLIENTS'] ?? 50)
const GRACES = (process.env['CLOSE_GRACES'] ?? '0,1000').split(',').map(Number)
/** Busy clients share their core with the server that they keep busy. */
const BUSY_CLIENTS = Math.max(1, Math.round(CLIENTS / 10))
/** For what was sent to arrive, and for queues to fill. */
const SETTLE_MS = 300

const kinds: readonly ServerKind[] = ['app.close()', 'server.stop()']

for (const kind of kinds) {
  const table = behaviours.filter(({ isWebSocket }) => isWebSocket || kind === 'server.stop()')
  for (const gracePeriodMs of GRACES) {
    const title = `${kind}, ${gracePeriodMs} ms of grace, ${CLIENTS} clients of each kind ` +
      `(${BUSY_CLIENTS} of those that are busy)`
    const timeout = table.length * (gracePeriodMs + 20_000)
    t.test(title, { timeout }, async t => {
      const rows = [
        ...table.map(({ name, ...behaviour }) => [name, [{ name, ...behaviour }]] as const),
        ['everything at once', table] as const
      ]
      let longest = -Infinity
      for (const [name, together] of rows) {
        await t.test(name, async t => {
          const { port, close } = await serveToClose(t, kind, gracePeriodMs)
          const quiet = together
            .filter(({ isBusy }) => isBusy !== true)
            .flatMap(({ act }) => Array.from({ length: CLIENTS }, () => act))
          const busy = together
            .filter(({ isBusy }) => isBusy === true)
            .flatMap(({ act }) => Array.from({ length: BUSY_CLIENTS }, () => act))
          await Promise.all(quiet.map(async act => { await act(t, port) }))
          // The first of these may keep the process so busy that others do not get far: that is part of what
          // they do.
          const results = await Promise.allSettled(busy.map(async act => { await act(t, port) }))
          const clients = quiet.length + results.filter(({ status }) => status === 'fulfilled').length
          await sleep(SETTLE_MS)
          const ms = await close() - gracePeriodMs
          longest = Math.max(longest, ms)
          t.ok(ms < ALLOWANCE_MS, `${clients} clients: ${Math.round(ms)} ms more than the grace period`)
        })
      }
      t.comment(`longest: ${Math.round(longest)} ms more than the grace period`)
    })
  }
}
