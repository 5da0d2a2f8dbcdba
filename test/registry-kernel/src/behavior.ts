/** Why a server ends: asked to, shut down by its supervisor, or given up because of an error. */
export type TerminateReason = 'normal' | 'shutdown' | { readonly error: Error }

/**
 * The work of a server: four functions around one state value.
 *
 * At most one of them is active at a time, across their `await`s too. Messages, replies and the
 * state are passed by reference, never copied.
 */
export interface GenServerBehavior<State, Call, Cast, Reply> {
  /** Makes the first state; runs once, at start. */
  init (): State | Promise<State>
  /**
   * Answers one call with the reply and the next state. What it throws reaches the caller as it is;
   * the state then stays, and so does the server.
   */
  handleCall (msg: Call, state: State): readonly [Reply, State] | Promise<readonly [Reply, State]>
  /** Takes one message that has no reply, and gives the next state. Errors are dropped. */
  handleCast (msg: Cast, state: State): State | Promise<State>
  /** Cleans up; runs once, after the last message. */
  terminate? (reason: TerminateReason, state: State): void | Promise<void>
}
