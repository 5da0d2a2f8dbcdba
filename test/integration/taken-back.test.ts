// Replies while the log takes back what others have written.
import t, { type Test } from 'tap'
import { MemoryLog, StoreUnavailableError, type LogEntry } from '@hamicek/noex-store'
import { FakeRuleEngine } from '../support/fake-rule-engine.js'
import { serve, startStore } from '../support/service.js'
import { until } from '../support/until.js'

/** A log that holds each entry until it refuses them. */
class HeldLog extends MemoryLog {
  isHeld = false
  #refuse: (error: Error) => void = () => {}

  override async append (entries: readonly LogEntry[], previousRevision: number): Promise<void> {
    if (this.isHeld) await new Promise<void>((_resolve, reject) => { this.#refuse = reject })
    await super.append(entries, previousRevision)
  }

  refuse (): void {
    this.isHeld = false
    this.#refuse(new Error('the disk is full'))
  }
}

/** A service that a user has logged in to, while a write of the application is held. */
async function serveHeld (t: Test) {
  const store = await startStore(t)
  const log = new HeldLog()
  await store.attachLog(log)
  const engine = new FakeRuleEngine()
  const auth = { required: false, validate: (token: string) => ({ userId: token, roles: ['user'] }) }
  const { app, connect } = await serve(t, { auth, rules: engine }, { store })
  const client = await connect()
  await client.ask('auth.login', { token: 'ada' })
  log.isHeld = true
  const { revision } = store
  const write = t.rejects(store.bucket('items').insert({ name: 'held' }), StoreUnavailableError)
  await until(() => store.revision > revision)
  return {
    client,
    engine,
    userOf: () => app.noex.getConnections()[0]?.userId,
    /** Refuses the write once a request has been run. Resolves with the reply to that. */
    replyTo: async (type: string, fields: object, isRun: () => boolean) => {
      const reply = client.request(type, fields)
      await until(isRun)
      log.refuse()
      await write
      await until(() => store.durability.state === 'ok')
      return await reply
    }
  }
}

t.test('a login is what its reply says', async t => {
  const { client, userOf, replyTo } = await serveHeld(t)
  t.match(
    await replyTo('auth.login', { token: 'eve' }, () => userOf() === 'eve'),
    { type: 'result', data: { userId: 'eve' } }
  )
  t.match(await client.ask('auth.whoami'), { userId: 'eve' })
})

t.test('so is a logout', async t => {
  const { client, userOf, replyTo } = await serveHeld(t)
  t.match(
    await replyTo('auth.logout', {}, () => userOf() === null), { type: 'result', data: { loggedOut: true } }
  )
  t.match(await client.ask('auth.whoami'), { authenticated: false })
})

t.test('an event that is emitted is said to be', async t => {
  const { engine, replyTo } = await serveHeld(t)
  t.match(await replyTo('rules.emit', { topic: 'a' }, () => engine.emitted.length === 1), { type: 'result' })
})
