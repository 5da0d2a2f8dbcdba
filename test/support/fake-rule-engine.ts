import type { RuleEngine, RuleEvent, RuleFact } from '../../lib/rules/rule-engine.js'

/** Facts and events without rules: what a test wants to see of an engine, or to keep it from doing. */
export class FakeRuleEngine implements RuleEngine {
  isRunning = true
  /** The topics of all events, in order. */
  readonly emitted: string[] = []
  /** Called with each event before it is done: a rule, or what holds one up. */
  onEmit: (topic: string, data: Readonly<Record<string, unknown>>) => Promise<void> | void = () => {}
  readonly #facts = new Map<string, RuleFact>()

  async emit (topic: string, data: Record<string, unknown> = {}): Promise<RuleEvent> {
    this.#check()
    this.emitted.push(topic)
    await this.onEmit(topic, data)
    return { id: `event ${this.emitted.length}`, topic, data, timestamp: 0 }
  }

  async emitCorrelated (topic: string, data: Record<string, unknown>): Promise<RuleEvent> {
    return await this.emit(topic, data)
  }

  async setFact (key: string, value: unknown): Promise<RuleFact> {
    this.#check()
    this.#facts.set(key, { key, value })
    return { key, value }
  }

  getFact (key: string): unknown {
    return this.#facts.get(key)?.value
  }

  deleteFact (key: string): boolean {
    return this.#facts.delete(key)
  }

  getAllFacts (): readonly RuleFact[] {
    return [...this.#facts.values()]
  }

  subscribe (): () => void {
    return () => {}
  }

  getStats (): object {
    return {}
  }

  registerRule (): never { return this.#hasNoRules() }
  unregisterRule (): never { return this.#hasNoRules() }
  updateRule (): never { return this.#hasNoRules() }
  enableRule (): never { return this.#hasNoRules() }
  disableRule (): never { return this.#hasNoRules() }
  getRule (): never { return this.#hasNoRules() }
  getRules (): never { return this.#hasNoRules() }
  validateRule (): never { return this.#hasNoRules() }

  #check (): void {
    if (!this.isRunning) throw new Error('the fake engine is not running')
  }

  #hasNoRules (): never {
    throw new Error('the fake engine has no rules')
  }
}
