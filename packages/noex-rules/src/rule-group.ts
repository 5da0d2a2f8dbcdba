/** A group of rules that are enabled and disabled together. Frozen. */
export interface RuleGroup {
  id: string
  name: string
  description?: string
  /** No rule of a disabled group runs. */
  enabled: boolean
  /** Epoch milliseconds. */
  createdAt: number
  /** Epoch milliseconds. */
  updatedAt: number
}

/** The argument of `createGroup`. */
export interface RuleGroupInput {
  id: string
  name: string
  description?: string | undefined
  /** @default true */
  enabled?: boolean | undefined
}

/** The argument of `updateGroup`: properties that are absent stay as they are. */
export type RuleGroupUpdate = Partial<Omit<RuleGroupInput, 'id'>>
