import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { TestClient } from '../support/client.js'
import { FakeRuleEngine } from '../support/fake-rule-engine.js'
import { serve, type Served } from '../support/service.js'
import { watchUncaughtErrors } from '../support/uncaught-errors.js'
import { logText } from '../support/log-into.js'

const uncaught = watchUncaughtErrors(t)

interface Setting extends Served {
  readonly client: TestClient
  readonly engine: FakeRuleEngine
  readonly logged: () => string
}

async function setUp (t: Test): Promise<Setting> {
  const { logger, logged } = logText()
  const engine = new FakeRuleEngine()
  const served = await serve(
    t,
    { rules: engine, rulesTimeoutMs: 50 },
    { fastify: { logger } }
  )
  return { ...served, engine, client: await served.connect(), logged }
}

const cyclic: Record<string, unknown> = {}
cyclic['self'] = cyclic

type Method = 'emit' | 'emitCorrelated' | 'setFact' | 'getFact'

/** Mistakes that an engine of the application may make. */
const wrong: Readonly<Record<string, () => unknown>> = {
  'throws at once': () => {
    throw new Error('a secret')
  },
  'throws nothing': () => {
    const nothing: unknown = undefined
    throw nothing
  },
  'returns a cycle': () => cyclic,
  'returns a BigInt': () => ({ n: 1n }),
  'returns a trap': () => ({
    get n () {
      throw new Error('a secret')
    }
  })
}

const wrongPromises: typeof wrong = {
  ...Object.fromEntries(
    Object.entries(wrong).map(([title, call]) => [`${title}, as a promise`, async () => call()])
  ),
  'never ends': async () => await new Promise(() => {})
}

const requests: ReadonlyArray<readonly [method: Method, type: string, fields: object]> = [
  ['emit', 'rules.emit', { topic: 'x' }],
  ['emitCorrelated', 'rules.emit', { topic: 'x', correlationId: 'c' }],
  ['setFact', 'rules.setFact', { key: 'k', value: 1 }],
  ['getFact', 'rules.getFact', { key: 'k' }]
]

for (const [method, type, fields] of requests) {
  t.test(`an engine whose ${method} does wrong costs one request`, async t => {
    const { client, engine, connect, logged } = await setUp(t)
    for (const [title, call] of Object.entries(
      method === 'getFact' ? wrong : { ...wrong, ...wrongPromises }
    )) {
      engine[method] = call as never
      const reply = await client.request(type, fields)
      t.match(reply, { type: 'error', code: 'INTERNAL_ERROR' }, `${title}: ${JSON.stringify(reply)}`)
      t.notMatch(reply['message'], /secret/)
    }
    t.match(logged(), type, 'the log says what was asked')
    t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
    t.ok(await connect())
  })

  t.test(
    `a procedure writes nothing before it knows what ${method} has come to, and the log names the step`,
    async t => {
      const { client, engine, store, logged } = await setUp(t)
      if (method === 'emitCorrelated') return
      const step = method === 'getFact' ? { as: 'fact' } : {}
      const steps = [
        { action: type, ...fields, ...step },
        { action: 'store.insert', bucket: 'items', data: {} }
      ]
      for (const transaction of [false, true]) {
        await client.ask('procedures.register', {
          procedure: { name: `careful ${transaction}`, transaction, timeoutMs: 50, steps }
        })
      }
      for (const [title, call] of Object.entries(
        method === 'getFact' ? wrong : { ...wrong, ...wrongPromises }
      )) {
        // A step has no use for what setFact returns.
        if (method === 'setFact' && title.startsWith('returns')) continue
        engine[method] = call as never
        const reply = await client.request('procedures.call', { name: 'careful false' })
        t.equal(reply['type'], 'error', `${title}: ${JSON.stringify(reply)}`)
        t.notMatch(reply['message'], /secret/)
        if (method !== 'getFact') continue
        // The engine is told after the commit only.
        t.equal((await client.request('procedures.call', { name: 'careful true' }))['type'], 'error', title)
      }
      t.equal(await store.bucket('items').count(), 0)
      t.match(logged(), /the step steps\[0\] of procedure \\"careful false\\" has failed/)
    }
  )
}

t.test('no rejection was left to the process', async t => {
  await setImmediate()
  t.same(uncaught, [])
})
