// Live queries over real sockets, and a server process that is killed again and again, with its store in
// files: whenever everything has come to rest, all clients show what the plain evaluation of the store gives.
// Prints what it counts, and the seed. LIVE_SECONDS, LIVE_CLIENTS and LIVE_ROUNDS make it shorter or longer,
// SEED repeats its operations (not their timing).
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { freePort } from '../support/free-port.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { stateOf } from '../simulation/history.js'
import { randomWrite } from '../simulation/operations.js'
import { Random } from '../simulation/random.js'
import { ROOT } from '../simulation/rights.js'
import { ChildProgram } from './child-program.js'
import { LiveFleet, type FleetServer } from './live-fleet.js'

const ROUNDS = Number(process.env['LIVE_ROUNDS'] ?? 10)
const ROUND_MS = Number(process.env['LIVE_SECONDS'] ?? 30) * 1_000
const CLIENTS = Number(process.env['LIVE_CLIENTS'] ?? 50)
const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
/** Time in which everything must come to rest. */
const PATIENCE_MS = 30_000

t.test(`${CLIENTS} clients, ${ROUNDS} rounds of ${ROUND_MS / 1_000} s`, {
  timeout: ROUNDS * (ROUND_MS + 2 * PATIENCE_MS)
}, async t => {
  t.comment(`SEED=${SEED}`)
  const random = new Random(SEED)
  const directory = temporaryDirectory(t)
  const port = await freePort()
  let program: ChildProgram | undefined
  const server: FleetServer = {
    get url () { return program === undefined ? undefined : `ws://127.0.0.1:${port}` },
    beginSession: async (user, token) =>
      await program?.ask('beginSession', { user, token }).then(() => true, () => false) ?? false
  }
  const start = async (): Promise<void> => {
    program = await ChildProgram.start(t, './live-server.js', directory, String(port))
  }
  const done = { writes: 0, kills: 0, breaks: 0, stops: 0, logins: 0, application: 0 }
  await start()
  const fleet = new LiveFleet(server, SEED, { clients: CLIENTS, views: 6 })
  t.teardown(() => { fleet.stop() })
  fleet.start()

  let restarted = Promise.resolve()
  const restart = async (killed: ChildProgram): Promise<void> => {
    program = undefined
    done.kills++
    await killed.kill()
    await start()
  }

  const operate = async (): Promise<void> => {
    const client = random.pick(fleet.clients)
    const kind = random.weighted([
      [60, 'write'], [15, 'application'], [2, 'rights'], [0.5, 'structure'], [2, 'watch'], [1, 'leave'],
      [2, 'break'], [4, 'read'], [1, 'login'], [0.5, 'kill']
    ] as const)
    switch (kind) {
      case 'write': {
        const { type, fields } = randomWrite(random)
        fleet.clients.find(({ user, isQuiet }) => user === ROOT && isQuiet)?.send(type, fields)
        done.writes++
        break
      }
      case 'application':
      case 'rights':
      case 'structure':
        done.application++
        program?.ask('operate', { kind, seed: random.below(2 ** 31) }).catch(error => {
          // It may have been killed meanwhile.
          if (program !== undefined && !/has ended/.test(String(error))) fleet.fail(error)
        })
        break
      case 'watch': fleet.watch(); break
      case 'leave': for (const view of [...client.views].slice(0, 1)) client.unsubscribe(view); break
      case 'break':
        done.breaks++
        client.break(random.pick(['end', 'reset']))
        break
      case 'read':
        done.stops++
        client.read(false)
        setTimeout(() => { client.read(true) }, random.chance(0.1) ? 3_000 : 300)
        break
      case 'login':
        done.logins++
        if (random.chance(0.5)) await client.logOut()
        else await client.logIn(random.pick(fleet.clients).user)
        break
      case 'kill':
        if (program !== undefined) restarted = restart(program)
    }
  }

  for (let round = 1; round <= ROUNDS && fleet.fault === undefined; round++) {
    for (const end = performance.now() + ROUND_MS; performance.now() < end && fleet.fault === undefined;) {
      const operating = operate()
      // A login may wait for a client that does not read.
      await Promise.race([operating, sleep(1_000)])
      await sleep(random.next() * 4)
    }
    await restarted
    let different: Awaited<ReturnType<LiveFleet['differences']>>
    for (const end = performance.now() + PATIENCE_MS; performance.now() < end && fleet.fault === undefined;) {
      fleet.comeToRest()
      await sleep(200)
      const { epoch, image } = await program?.ask('image')
      different = await fleet.differences(stateOf(epoch, image))
      if (different?.length === 0) break
    }
    t.equal(fleet.fault, undefined, 'no client has found a fault')
    const what = `round ${round}: ${fleet.compared} views equal the plain evaluation`
    t.same(different ?? fleet.restless, [], what)
    if (different?.length !== 0) break
  }
  t.comment(JSON.stringify({ ...done, ...fleet.counts }))
  t.ok(done.kills > 0 || ROUND_MS < 5_000, 'the server was killed')
})
