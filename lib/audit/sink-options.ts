import { createPrivateKey, KeyObject } from 'node:crypto'
import { ApplicationListener } from '../application/application-listener.js'
import { isFunction, isInteger, MAX_TIMER_MS, NoexOptionsError, type Checks } from '../util/option-schema.js'
import type { Checkpoint } from './chain/checkpoint.js'
import { defaultPolicies, isPolicy, type SinkContext, type SinkPolicies } from './sink.js'

/** What every sink of this package takes. Durations are milliseconds. */
export interface SinkOptions {
  /** The policy of each tier. @default block for admin and write, drop for read */
  policy?: Partial<SinkPolicies> | undefined
  /** The private key (Ed25519, PEM) that signs checkpoints. @default none */
  signingKey?: string | KeyObject | undefined
  /** A checkpoint is made after so many entries. @default 1_000 */
  checkpointEntries?: number | undefined
  /** And after this time, when there are new entries. @default 60_000 */
  checkpointIntervalMs?: number | undefined
  /**
   * Gets each checkpoint, to keep it where whoever can change the trail cannot. Nobody waits for it. @default
   * none
   */
  onCheckpoint?: CheckpointListener | undefined
}

/** Gets checkpoints. */
export type CheckpointListener = (checkpoint: Checkpoint) => unknown

/** What holds where an option is not given. */
export const sinkDefaults = {
  policy: defaultPolicies,
  signingKey: undefined,
  checkpointEntries: 1_000,
  checkpointIntervalMs: 60_000,
  onCheckpoint: undefined
}

export const sinkChecks: Checks = {
  policy: { admin: isPolicy, write: isPolicy, read: isPolicy },
  signingKey: isSigningKey,
  checkpointEntries: isInteger(1, Number.MAX_SAFE_INTEGER),
  checkpointIntervalMs: isInteger(1, MAX_TIMER_MS),
  onCheckpoint: isFunction
}

/** Builds the check of a path that must have this ending. */
export function isPathWith (ending: string): (value: unknown, path: string) => void {
  return (value, path) => {
    const isGood =
      typeof value === 'string' &&
      value.endsWith(ending) &&
      /[^/\\]$/.test(value.slice(0, -ending.length)) &&
      !value.includes('\0')
    if (!isGood) throw new NoexOptionsError(path, `must be a path that ends in ${ending}`)
  }
}

function isSigningKey (value: unknown, path: string): void {
  let key: KeyObject | undefined
  try {
    key = toPrivateKey(value as string | KeyObject)
  } catch {}
  if (key?.type !== 'private' || key.asymmetricKeyType !== 'ed25519') {
    throw new NoexOptionsError(path, 'must be an Ed25519 private key, as PEM or KeyObject')
  }
}

/** A private key, from what an option can be. */
export function toPrivateKey (key: string | KeyObject): KeyObject {
  return key instanceof KeyObject ? key : createPrivateKey(key)
}

/** Returns what hands checkpoints to the application. It never throws. */
export function checkpointTeller (
  listener: CheckpointListener | undefined,
  { log, clock }: SinkContext
): (checkpoint: Checkpoint) => void {
  if (listener === undefined) return () => {}
  const told = new ApplicationListener('onCheckpoint of an audit sink', listener, { log, clock })
  return checkpoint => { told.tell(checkpoint) }
}
