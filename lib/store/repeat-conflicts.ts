import { isStoreError, type TransactionContext, type TransactionOptions } from '@hamicek/noex-store'
import { systemClock } from '../util/clock.js'
import type { SharedStore } from './shared-store.js'
import type { Work } from './work.js'

/** Tries that a transaction has when other writers are faster. */
const MAX_TRIES = 10

/** Longest pause between two tries, in milliseconds. Each may take twice as long as the one before. */
const MAX_PAUSE_MS = 64

/**
 * Runs `work`, which is a transaction, until no other writer was faster, at most ten times. From the second
 * try on it has a turn in the queue of the store, with pauses that grow and are of random length. `work`
 * calls `committing` in the step that commits: the turn ends there, not when that is durable. A try that is
 * repeated leaves the budget of `units` as it was. Rejects as `work` does, with a `TransactionConflictError`
 * when the last try has failed, too.
 */
export async function repeatConflicts<T> (
  { repeats }: Pick<SharedStore, 'repeats'>, work: (committing: () => void) => Promise<T>, units?: Work
): Promise<T> {
  let leave: (() => void) | undefined
  const committing = (): void => {
    leave?.()
    leave = undefined
  }
  try {
    for (let tries = 1; ; tries++) {
      const spent = units?.spent ?? 0
      try {
        return await work(committing)
      } catch (error) {
        // What the store refuses by itself, it would refuse again.
        if (tries === MAX_TRIES || !isStoreError(error) || error.code !== 'CONFLICT') throw error
      }
      units?.forgive(units.spent - spent)
      if (leave === undefined) leave = await repeats.enter()
      else await pause(Math.random() * Math.min(2 ** tries, MAX_PAUSE_MS))
    }
  } finally {
    committing()
  }
}

/**
 * Runs `work` in a transaction of the store. Where it fails and what it has read does not hold any more, it
 * has failed for that.
 * @throws `TransactionConflictError`, and what `work` throws
 */
export async function transact<T> (
  { store }: Pick<SharedStore, 'store'>, work: (tx: TransactionContext) => T | Promise<T>,
  options: TransactionOptions
): Promise<T> {
  return await store.transaction(tx => {
    try {
      const working = work(tx)
      return working instanceof Promise ? working.catch(async error => await refused(tx, error)) : working
    } catch (error) {
      return refused(tx, error)
    }
  }, options)
}

async function refused (tx: TransactionContext, error: unknown): Promise<never> {
  await tx.check()
  throw error
}

/** Resolves after a pause, in which others go on; under fake timers, too. */
async function pause (delayMs: number): Promise<void> {
  await new Promise<void>(resolve => { systemClock.after(delayMs, resolve) })
}
