// How long a close takes is promised, no matter what clients do: the grace period and two seconds. Here a few
// clients do each thing, with and without a grace period; where the run is not thorough one client, with the
// one or the other.
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { behaviours, type Behaviour } from '../support/close-behaviours.js'
import { ALLOWANCE_MS, serveToClose, type ServerKind } from '../support/closing-server.js'
import { isThorough } from '../support/sampled.js'

const CLIENTS = isThorough ? 3 : 1

/** Closes a server while some clients do this. Returns the time beyond the grace period, in milliseconds. */
async function excess (
  t: Test,
  kind: ServerKind,
  gracePeriodMs: number,
  { act }: Behaviour
): Promise<number> {
  const { port, close } = await serveToClose(t, kind, gracePeriodMs)
  await Promise.all(Array.from({ length: CLIENTS }, async () => { await act(t, port) }))
  // What was sent last is underway.
  for (let i = 0; i < 20; i++) await setImmediate()
  return await close() - gracePeriodMs
}

const tables: ReadonlyArray<readonly [kind: ServerKind, behaviours: readonly Behaviour[]]> = [
  ['app.close()', behaviours.filter(({ isWebSocket }) => isWebSocket)],
  ['server.stop()', behaviours]
]

for (const [kind, table] of tables) {
  for (const [turn, gracePeriodMs] of [0, 300].entries()) {
    t.test(`${kind} with a grace period of ${gracePeriodMs} ms ends in time while a client`, async t => {
      // Those that keep to themselves are closed at the same time, each by a server of its own.
      const chosen = table.filter((_, i) => isThorough || i % 2 === turn)
      const quiet = chosen.filter(({ isBusy }) => isBusy !== true)
      const times = new Map(
        await Promise.all(
          quiet.map(async behaviour => [behaviour, await excess(t, kind, gracePeriodMs, behaviour)] as const)
        )
      )
      for (const behaviour of chosen) {
        const ms = times.get(behaviour) ?? await excess(t, kind, gracePeriodMs, behaviour)
        t.ok(ms < ALLOWANCE_MS, `${behaviour.name}: ${Math.round(ms)} ms more`)
      }
    })
  }
}
