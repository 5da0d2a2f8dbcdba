/** A fact: a value under a key. Frozen. */
export interface Fact {
  /** Segments joined by `:`. */
  key: string
  value: unknown
  /** When it was set, in epoch milliseconds. */
  timestamp: number
  /** The origin of the value: the application, or an action of a rule. */
  source: 'api' | 'rule'
  /** 1 for a new fact; grows by one each time it is set. */
  version: number
}
