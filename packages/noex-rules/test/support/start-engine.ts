import type { Test } from 'tap'
import {
  type ErrorContext,
  type Event,
  type Logger,
  RuleEngine,
  type RuleEngineConfig,
  type RuleInput
} from '../../src/index.js'

/** A line of the engine's log. */
interface LogLine {
  readonly level: keyof Logger
  readonly details: Record<string, unknown>
  readonly message: string
}

/** An engine under test, with its log and errors. */
export interface TestEngine {
  readonly engine: RuleEngine
  readonly log: LogLine[]
  readonly errors: Array<{ readonly error: Error, readonly context: ErrorContext }>
}

/** Starts an engine that ends with the test. */
export async function startEngine (t: Test, config: RuleEngineConfig = {}): Promise<TestEngine> {
  const log: LogLine[] = []
  const errors: TestEngine['errors'] = []
  const engine = await RuleEngine.start({
    logger: recordingLogger(log),
    onError: (error, context) => { errors.push({ error, context }) },
    ...config
  })
  t.teardown(() => engine.stop())
  return { engine, log, errors }
}

function recordingLogger (log: LogLine[]): Logger {
  const writer = (level: keyof Logger) => (details: object, message: string): void => {
    log.push({ level, details: details as Record<string, unknown>, message })
  }
  return { debug: writer('debug'), info: writer('info'), warn: writer('warn'), error: writer('error') }
}

let count = 0

/** Returns a rule with a name and an id of its own. */
export function rule (input: Omit<RuleInput, 'id' | 'name'> & { id?: string, name?: string }): RuleInput {
  const id = `rule-${++count}`
  return { id, name: id, ...input }
}

/** Returns a rule that is triggered by a topic. */
export function onTopic (
  topic: string,
  input: Omit<RuleInput, 'id' | 'name' | 'trigger'> & { id?: string } = {}
): RuleInput {
  return rule({ trigger: { type: 'event', topic }, ...input })
}

/** Records the topics of all further events. */
export function recordTopics (engine: RuleEngine): string[] {
  const topics: string[] = []
  engine.subscribe('*', ({ topic }) => { topics.push(topic) })
  return topics
}

/** Records all further events of a pattern. */
export function recordEvents (engine: RuleEngine, pattern = '*'): Event[] {
  const events: Event[] = []
  engine.subscribe(pattern, event => { events.push(event) })
  return events
}
