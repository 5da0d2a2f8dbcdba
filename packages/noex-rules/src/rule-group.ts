/** A name for rules that are enabled and disabled together. */
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

/** What `createGroup` takes. */
export interface RuleGroupInput {
  id: string
  name: string
  description?: string | undefined
  /** @default true */
  enabled?: boolean | undefined
}

/** What `updateGroup` takes: what is not given stays. */
export type RuleGroupUpdate = Partial<Omit<RuleGroupInput, 'id'>>
