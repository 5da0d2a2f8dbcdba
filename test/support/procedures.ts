import type { Test } from 'tap'
import type { NoexOptions } from '../../lib/index.js'
import type { Frame, TestClient } from './client.js'
import { FakeRuleEngine } from './fake-rule-engine.js'
import { serve, type Served, type ServeSettings } from './service.js'

export interface ServedProcedures extends Served {
  readonly client: TestClient
  readonly engine: FakeRuleEngine
  /** Registers `steps` under a fresh name, calls it, and answers with the reply. */
  readonly run: (steps: readonly object[], fields?: object, input?: object) => Promise<Frame>
}

/** Serves the bucket `items`, one with rules of its own, and a rule engine. */
export async function serveProcedures (
  t: Test,
  options: Omit<NoexOptions, 'store' | 'rules'> = {},
  settings: ServeSettings = {}
): Promise<ServedProcedures> {
  const engine = new FakeRuleEngine()
  const served = await serve(t, { ...options, rules: engine }, settings)
  const { store } = served
  if (!store.hasBucket('accounts')) {
    await store.defineBucket('accounts', {
      key: 'id',
      schema: {
        id: { type: 'string' },
        balance: { type: 'number', min: 0, required: true },
        code: { type: 'string', unique: true }
      }
    })
    await store.defineBucket('notes', {
      key: 'id',
      schema: { id: { type: 'string', generated: 'uuid' }, account: { type: 'string', ref: 'accounts' } }
    })
  }
  const client = await served.connect()
  let last = 0
  async function run (steps: readonly object[], fields: object = {}, input: object = {}): Promise<Frame> {
    const name = `run ${++last}`
    await client.ask('procedures.register', { procedure: { name, steps, ...fields } })
    return await client.request('procedures.call', { name, input })
  }
  return { ...served, engine, client, run }
}

export const insertStep = (data: object, as?: string, bucket = 'items'): object => ({
  action: 'store.insert',
  bucket,
  data,
  ...(as !== undefined && { as })
})

export const returnStep = (value: unknown): object => ({ action: 'return', value })

export const greeting = {
  name: 'greet',
  description: 'Says hello',
  steps: [returnStep('Hello {{ input.name }}')]
} as const
