import { isStoreError, type TransactionContext, type TransactionOptions } from '@hamicek/noex-store'
import { systemClock } from '../util/clock.js'
import type { SharedStore } from './shared-store.js'
import type { Work } from './work.js'

/** Number of tries of a transaction that conflicts with other writers. */
const MAX_TRIES = 10

/**
 * Limit of the pause between two tries, in milliseconds. The limit of each is twice that of the one before.
 */
const MAX_PAUSE_MS = 64

/**
 * Runs a transaction until it does not conflict with another writer, at most ten times. From the second try
 * on it has a turn in the queue of the store, with random pauses of growing limits. `run` calls `committing`
 * in the step that commits: the turn ends there, not when the commit is durable. Tries that conflict do not
 * count for the budget of `work`. Rejects as `run` does, with a `TransactionConflictError` when the last try
 * conflicts.
 */
export async function repeatConflicts<T> (
  { repeats }: Pick<SharedStore, 'repeats'>, run: (committing: () => void) => Promise<T>, work?: Work
): Promise<T> {
  let endTurn: (() => void) | undefined
  const committing = (): void => {
    endTurn?.()
    endTurn = undefined
  }
  try {
    for (let tries = 1; ; tries++) {
      const spent = work?.spent ?? 0
      try {
        return await run(committing)
      } catch (error) {
        // The store would refuse other errors again.
        if (tries === MAX_TRIES || !isStoreError(error) || error.code !== 'CONFLICT') throw error
      }
      work?.forgive(work.spent - spent)
      if (endTurn === undefined) endTurn = await repeats.takeTurn()
      else await pause(Math.random() * Math.min(2 ** tries, MAX_PAUSE_MS))
    }
  } finally {
    committing()
  }
}

/**
 * Runs `work` in a transaction of the store. Where it throws after another writer has changed what it has
 * read, the error is the conflict.
 * @throws `TransactionConflictError`, and the errors of `work`
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

/** Resolves after a pause. Works under the fake timers of an application's tests, too. */
async function pause (delayMs: number): Promise<void> {
  await new Promise<void>(resolve => { systemClock.after(delayMs, resolve) })
}
