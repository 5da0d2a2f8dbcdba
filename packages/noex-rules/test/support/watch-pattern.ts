import type { Test } from 'tap'
import type { Event, RuleEngine, RuleEngineConfig, RuleInput, TemporalPattern } from '../../src/index.js'
import { FakeClock } from './fake-clock.js'
import { recordEvents, rule, startEngine } from './start-engine.js'

type Data = Record<string, unknown>

/** Milliseconds to advance the clock by, or an event. */
export type Step = number | [topic: string, data?: Data]

/** Returns a rule that sends an event when it fires. */
export const temporal = (pattern: TemporalPattern, more: Partial<RuleInput> = {}): RuleInput => rule({
  trigger: { type: 'temporal', pattern },
  actions: [
    { type: 'emit_event', topic: 'fired', data: { trigger: { ref: 'trigger' }, first: { ref: 'matched.0' } } }
  ],
  ...more
})

/** An engine with one temporal rule, at the beginning of a minute. */
export interface WatchedEngine {
  readonly clock: FakeClock
  readonly engine: RuleEngine
  readonly errors: unknown[]
  /** The events of firings. */
  readonly fired: Event[]
  /** Takes steps, and returns the number of firings. */
  readonly take: (steps: Step[]) => Promise<number>
  /** Returns the data that the rule read each time. */
  readonly shown: () => Data[]
}

export async function watch (
  t: Test,
  pattern: TemporalPattern,
  config: RuleEngineConfig = {}
): Promise<WatchedEngine> {
  const clock = new FakeClock()
  const { engine, errors } = await startEngine(t, { clock, ...config })
  // Windows side by side begin at multiples of their length.
  await clock.advance(60_000 - clock.now() % 60_000)
  engine.registerRule(temporal(pattern, { id: 'temporal' }))
  const fired = recordEvents(engine, 'fired')
  const take = async (steps: Step[]): Promise<number> => {
    const before = fired.length
    for (const step of steps) {
      if (typeof step === 'number') await clock.advance(step)
      else await engine.emit(...step)
    }
    return fired.length - before
  }
  return { clock, engine, errors, fired, take, shown: () => fired.map(({ data }) => data['trigger'] as Data) }
}
