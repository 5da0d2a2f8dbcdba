import type { AuthSession } from './session.js'

/** Why a token is no good: for the log, never for the client. */
export class TokenRefusal {
  readonly reason: string

  constructor (reason: string) {
    this.reason = reason
  }
}

/** Tells whose token this is, or why it is no good. */
export type ExplainedValidator = (token: string) => Promise<AuthSession | TokenRefusal>

const kExplained = Symbol('noex.explainedValidator')

/** Makes a `validate` of a validator: it resolves with `null` for a token that is no good, and `explainedBy` finds the reasons. */
export function withReasons (explained: ExplainedValidator): (token: string) => Promise<AuthSession | null> {
  const validate = async (token: string): Promise<AuthSession | null> => {
    const found = await explained(token)
    return found instanceof TokenRefusal ? null : found
  }
  return Object.assign(validate, { [kExplained]: explained })
}

/** Returns the validator behind a `validate` that `withReasons` has made; any other function is returned as it is. */
export function explainedBy<Validate extends object> (validate: Validate): Validate | ExplainedValidator {
  return (validate as { readonly [kExplained]?: ExplainedValidator })[kExplained] ?? validate
}
