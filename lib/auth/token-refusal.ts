import type { AuthSession, Origin } from '../protocol/session.js'

/** Why a token is no good: for the log, never for the client. */
export class TokenRefusal {
  readonly reason: string

  constructor (reason: string) {
    this.reason = reason
  }
}

/** A validator that tells more than `AuthSession | null`. */
export interface ExplainedValidator {
  /** Tells whose token this is, or why it is no good. */
  readonly explain: (token: string, origin: Origin) => Promise<AuthSession | TokenRefusal>
  /** Milliseconds for which a session goes on after its `expiresAt`, since clocks differ. */
  readonly toleranceMs: number
}

const kExplained = Symbol('noex.explainedValidator')

/**
 * Makes a `validate` of a validator: it resolves with `null` for a token that is no good, and `explainedBy`
 * finds the rest.
 */
export function withReasons (explained: ExplainedValidator): (token: string) => Promise<AuthSession | null> {
  const validate = async (token: string): Promise<AuthSession | null> => {
    const found = await explained.explain(token, nowhere)
    return found instanceof TokenRefusal ? null : found
  }
  return Object.assign(validate, { [kExplained]: explained })
}

const nowhere: Origin = { remoteAddress: '', connectionId: null, headers: {} }

/**
 * Returns the validator behind a `validate` that `withReasons` has made; `undefined` for any other function.
 */
export function explainedBy (validate: object): ExplainedValidator | undefined {
  return (validate as { readonly [kExplained]?: ExplainedValidator })[kExplained]
}
