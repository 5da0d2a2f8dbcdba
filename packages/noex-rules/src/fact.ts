/** What is known under a key. */
export interface Fact {
  /** Segments joined by `:`. */
  key: string
  value: unknown
  /** When it was set, in epoch milliseconds. */
  timestamp: number
  /** Who set it: the application, or an action of a rule. */
  source: 'api' | 'rule'
  /** 1 for a new fact, one more with each set. */
  version: number
}
