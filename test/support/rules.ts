import { RuleEngine, type RuleEngineConfig } from '@hamicek/noex-rules'
import type { Test } from 'tap'
import type { NoexOptions } from '../../lib/index.js'
import type { Frame, TestClient } from './client.js'
import { serve, type Served } from './service.js'

export interface ServedRules extends Served {
  readonly engine: RuleEngine
}

export async function startEngine (t: Test, config?: RuleEngineConfig): Promise<RuleEngine> {
  const engine = await RuleEngine.start(config)
  t.teardown(async () => { await engine.stop() })
  return engine
}

/** Serves a fresh store and a fresh engine. */
export async function serveRules (
  t: Test,
  options: Omit<NoexOptions, 'store' | 'rules'> = {},
  config?: RuleEngineConfig
): Promise<ServedRules> {
  const engine = await startEngine(t, config)
  return { engine, ...await serve(t, { ...options, rules: engine }) }
}

export const isEventPush = (frame: Frame): boolean => frame['type'] === 'push' && frame['channel'] === 'event'

/** The topics of the events that a client has been pushed, in order, once all it is owed has arrived. */
export async function pushedTopics (client: TestClient): Promise<string[]> {
  await client.settled()
  const topics: string[] = []
  while (client.waiting.some(isEventPush)) topics.push((await client.next(isEventPush))['data'].topic)
  return topics
}

/** A rule with nothing but what every rule needs. */
export function rule (id: string, fields: object = {}): object {
  return { id, name: `rule ${id}`, trigger: { type: 'event', topic: `on.${id}` }, ...fields }
}
