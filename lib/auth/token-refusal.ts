import type { AuthSession, Origin } from '../protocol/session.js'

/** The reason why a token is invalid: for the log, never sent to the client. */
export class TokenRefusal {
  readonly reason: string

  constructor (reason: string) {
    this.reason = reason
  }
}

/** A validator that returns more than `AuthSession | null`. */
export interface ExplainedValidator {
  /** Resolves with the session of a token, or the reason why it is invalid. */
  readonly explain: (token: string, origin: Origin) => Promise<AuthSession | TokenRefusal>
  /** Time for which a session continues after its `expiresAt`, since clocks differ, in milliseconds. */
  readonly toleranceMs: number
}

const kExplained = Symbol('noex.explainedValidator')

/**
 * Builds a `validate` function that resolves with `null` for an invalid token. `explainedBy` returns its
 * validator.
 */
export function withReasons (explained: ExplainedValidator): (token: string) => Promise<AuthSession | null> {
  const validate = async (token: string): Promise<AuthSession | null> => {
    const found = await explained.explain(token, nowhere)
    return found instanceof TokenRefusal ? null : found
  }
  return Object.assign(validate, { [kExplained]: explained })
}

const nowhere: Origin = { remoteAddress: '', connectionId: null, headers: {} }

/** Returns the validator of a function that `withReasons` has built; `undefined` for other functions. */
export function explainedBy (validate: object): ExplainedValidator | undefined {
  return (validate as { readonly [kExplained]?: ExplainedValidator })[kExplained]
}
