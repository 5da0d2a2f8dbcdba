import type { StepCall } from '../operations/step-requests.js'
import type { Deadline } from './deadline.js'

/** One call of a procedure. */
export interface Call extends StepCall {
  readonly deadline: Deadline
}

/** Runs the requests of the steps of a procedure. */
export interface StepRequests {
  /** Returns the result of the operation, `undefined` as null, or a promise of it where that takes time. */
  readonly perform: (operation: string, fields: Readonly<Record<string, unknown>>, path: string) => unknown
}
