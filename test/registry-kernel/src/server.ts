import { performance } from 'node:perf_hooks'
import type { GenServerBehavior, TerminateReason } from './behavior.js'
import { DeadlineTimer } from './deadline-timer.js'
import { Deferred } from './deferred.js'
import { CallTimeoutError, ServerNotRunningError, toError } from './errors.js'
import { Mailbox } from './mailbox.js'
import type { CallMessage, Message } from './message.js'
import { isThenable } from './thenable.js'

/** Is told, once, that a server has stopped, and why. */
export type StopListener = (reason: TerminateReason) => void

/**
 * A running server: one state, one mailbox, one handler at a time.
 *
 * On an idle server a message is handled inside the very call that brings it. A message that comes
 * while a handler is active waits in the mailbox; when the handler ends, a loop empties the mailbox
 * until it is empty again or a handler turns out to be asynchronous.
 */
export class Server<State, Call, Cast, Reply> {
  readonly id: string
  readonly #behavior: GenServerBehavior<State, Call, Cast, Reply>
  readonly #mailbox = new Mailbox<Message<Call, Cast, Reply>>()
  readonly #deadlines = new DeadlineTimer(now => this.#expire(now))
  readonly #stopListeners = new Set<StopListener>()
  #state: State
  #status: 'running' | 'stopping' | 'stopped' = 'running'
  #busy = false
  /** An asynchronous handler is under way: messages wait for real, so deadlines count. */
  #awaiting = false
  /** The call whose asynchronous handler is under way, until it is answered. */
  #active: CallMessage<Call, Reply> | undefined
  #pendingStop: Deferred | undefined

  /** @param state what `init` gave */
  constructor (id: string, behavior: GenServerBehavior<State, Call, Cast, Reply>, state: State) {
    this.id = id
    this.#behavior = behavior
    this.#state = state
  }

  /** True until the server begins to handle a stop request. */
  get isRunning (): boolean {
    return this.#status === 'running'
  }

  /** True when a message would be handled at once. */
  get isIdle (): boolean {
    return !this.#busy
  }

  /**
   * Has the behavior answer `msg`. A synchronous handler on an idle server costs one promise and no
   * timer. Rejects with what the handler throws, `CallTimeoutError` or `ServerNotRunningError`.
   */
  call (msg: Call, timeoutMs: number): Promise<Reply> {
    if (this.#status !== 'running') return Promise.reject(new ServerNotRunningError(this.id))
    if (this.#busy) return this.#enqueueCall(msg, timeoutMs)

    this.#busy = true
    let answer: Promise<Reply>
    try {
      const outcome = this.#behavior.handleCall(msg, this.#state)
      if (isThenable(outcome)) {
        return new Promise((resolve, reject) => {
          const deadline = performance.now() + timeoutMs
          this.#awaitReply(outcome, { kind: 'call', msg, resolve, reject, timeoutMs, deadline })
        })
      }
      this.#state = outcome[1]
      answer = Promise.resolve(outcome[0])
    } catch (error) {
      answer = Promise.reject(toError(error))
    }
    this.#drain()
    return answer
  }

  /** Has the behavior take `msg`; the outcome is not reported. Throws `ServerNotRunningError`. */
  cast (msg: Cast): void {
    if (this.#status !== 'running') throw new ServerNotRunningError(this.id)
    if (this.#busy) {
      this.#mailbox.push({ kind: 'cast', msg })
      return
    }
    this.#busy = true
    if (this.#runCast(msg)) this.#drain()
  }

  /**
   * Stops the server after the messages that came before. A repeated stop shares the outcome of the
   * first. Rejects with what `terminate` throws; the server is stopped all the same.
   */
  stop (reason: TerminateReason): Promise<void> {
    if (this.#pendingStop !== undefined) return this.#pendingStop.promise
    if (this.#status === 'stopped') return Promise.resolve()

    const pending = this.#pendingStop = new Deferred()
    if (this.#busy) {
      this.#mailbox.push({ kind: 'stop', reason })
    } else {
      this.#busy = true
      this.#terminate(reason)
    }
    return pending.promise
  }

  /**
   * Stops the server at once, also while it works. Every call that waits for a reply rejects with
   * `ServerNotRunningError`; `terminate` is begun but not waited for.
   */
  kill (reason: TerminateReason): void {
    if (this.#status === 'stopped') return
    const cleanedUp = this.#status === 'stopping'
    this.#status = 'stopped'
    this.#rejectWaiting()
    this.#active?.reject(new ServerNotRunningError(this.id))
    // Best effort: a server that is stopped by force is stopped even when its clean-up fails.
    if (!cleanedUp) this.#cleanUp(reason)?.then(undefined, ignore)
    this.#finish(reason)
    this.#pendingStop?.resolve()
  }

  /** Has `listener` told when the server has stopped. Gives the function that takes this back. */
  onStop (listener: StopListener): () => void {
    this.#stopListeners.add(listener)
    return () => { this.#stopListeners.delete(listener) }
  }

  #enqueueCall (msg: Call, timeoutMs: number): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const deadline = performance.now() + timeoutMs
      this.#mailbox.push({ kind: 'call', msg, resolve, reject, timeoutMs, deadline })
      this.#deadlines.add(deadline)
      // Behind a synchronous handler the message is reached before any timer could fire.
      if (this.#awaiting) this.#deadlines.arm()
    })
  }

  /** Handles what waits. On entry the server is busy and no handler is active. */
  #drain (): void {
    for (let message = this.#mailbox.shift(); message !== undefined; message = this.#mailbox.shift()) {
      if (!this.#handle(message)) return
    }
    this.#busy = false
    this.#deadlines.forget()
  }

  /** Handles one message. False means that it goes on asynchronously, or was the last. */
  #handle (message: Message<Call, Cast, Reply>): boolean {
    if (message.kind === 'cast') return this.#runCast(message.msg)
    if (message.kind === 'call') return this.#runCall(message)
    this.#terminate(message.reason)
    return false
  }

  #runCall (message: CallMessage<Call, Reply>): boolean {
    try {
      const outcome = this.#behavior.handleCall(message.msg, this.#state)
      if (isThenable(outcome)) {
        this.#awaitReply(outcome, message)
        return false
      }
      this.#state = outcome[1]
      message.resolve(outcome[0])
    } catch (error) {
      message.reject(toError(error))
    }
    return true
  }

  #runCast (msg: Cast): boolean {
    try {
      const outcome = this.#behavior.handleCast(msg, this.#state)
      if (isThenable(outcome)) {
        this.#await(outcome, state => { this.#state = state }, ignore)
        return false
      }
      this.#state = outcome
    } catch {
      // A cast has no reply, and a handler's error does not end a server.
    }
    return true
  }

  #awaitReply (outcome: PromiseLike<readonly [Reply, State]>, message: CallMessage<Call, Reply>): void {
    this.#active = message
    this.#deadlines.add(message.deadline)
    this.#await(outcome, ([reply, state]) => {
      this.#state = state
      message.resolve(reply)
    }, message.reject)
  }

  /** Goes on with the mailbox when an asynchronous handler has ended, unless the server has too. */
  #await<T> (outcome: PromiseLike<T>, onValue: (value: T) => void, onError: (error: Error) => void): void {
    this.#awaiting = true
    this.#deadlines.arm()
    const settle = (deliver: () => void) => {
      if (this.#status === 'stopped') return
      try {
        deliver()
      } catch (error) {
        onError(toError(error))
      }
      this.#awaiting = false
      this.#active = undefined
      this.#drain()
    }
    Promise.resolve(outcome).then(
      value => settle(() => onValue(value)),
      error => settle(() => onError(toError(error)))
    )
  }

  /** Rejects the calls that are due. The one whose handler runs is no longer waited for. */
  #expire (now: number): void {
    const stillWaits = (call: CallMessage<Call, Reply>): boolean => {
      if (call.deadline > now) {
        this.#deadlines.add(call.deadline)
        return true
      }
      call.reject(new CallTimeoutError(this.id, call.timeoutMs))
      return false
    }
    if (this.#active !== undefined && !stillWaits(this.#active)) this.#active = undefined
    this.#mailbox.retain(message => message.kind !== 'call' || stillWaits(message))
  }

  /** Ends the server. What was queued behind the stop request can no longer be handled. */
  #terminate (reason: TerminateReason): void {
    this.#status = 'stopping'
    this.#rejectWaiting()
    const finish = (error?: Error) => {
      if (this.#status === 'stopped') return
      this.#finish(reason)
      if (error === undefined) this.#pendingStop?.resolve()
      else this.#pendingStop?.reject(error)
    }
    const cleaning = this.#cleanUp(reason)
    if (cleaning === undefined) finish()
    else cleaning.then(() => finish(), error => finish(toError(error)))
  }

  /** Begins the behavior's own clean-up. Gives a promise when that takes time, or has failed. */
  #cleanUp (reason: TerminateReason): PromiseLike<void> | undefined {
    try {
      const outcome = this.#behavior.terminate?.(reason, this.#state)
      return isThenable(outcome) ? outcome : undefined
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #rejectWaiting (): void {
    this.#mailbox.retain(message => {
      if (message.kind === 'call') message.reject(new ServerNotRunningError(this.id))
      return false
    })
  }

  #finish (reason: TerminateReason): void {
    this.#status = 'stopped'
    this.#active = undefined
    this.#deadlines.clear()
    for (const listener of this.#stopListeners) listener(reason)
    this.#stopListeners.clear()
  }
}

function ignore (): void {}
