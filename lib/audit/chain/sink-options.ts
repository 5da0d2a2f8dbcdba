import { createPrivateKey, KeyObject } from 'node:crypto'
import { ApplicationListener } from '../../application/application-listener.js'
import { option, options, type ValueType } from '../../util/option-schema.js'
import { callback, integer, MAX_INTEGER, timerMs, type } from '../../util/option-types.js'
import type { Checkpoint } from './checkpoint.js'
import { sinkPolicies, type SinkContext, type SinkPolicies } from '../sink.js'

/** The options that every sink of this package has. */
export interface SinkOptions {
  /**
   * `block` or `drop` for each tier: whether a reply waits until its entry is durable, or the entry may be
   * left out when too many wait.
   * @default {"admin":"block","write":"block","read":"drop"}
   */
  policy?: Partial<SinkPolicies> | undefined
  /**
   * Private key that signs checkpoints.
   * @default none
   */
  signingKey?: string | KeyObject | undefined
  /**
   * Entries after which a checkpoint is made.
   * @default 1_000
   */
  checkpointEntries?: number | undefined
  /**
   * Time after which a checkpoint is made where there are new entries, in milliseconds.
   * @default 60_000
   */
  checkpointIntervalMs?: number | undefined
  /**
   * Is called with each checkpoint, to keep it apart from the trail; an error or a rejection is logged, once
   * a minute, and harms nothing.
   * @default none
   */
  onCheckpoint?: CheckpointListener | undefined
}

/** Gets checkpoints. */
export type CheckpointListener = (checkpoint: Checkpoint) => unknown

const signingKey = type(
  'Ed25519 private key, as PEM or `KeyObject`',
  'must be an Ed25519 private key, as PEM or KeyObject',
  value => {
    try {
      const key = toPrivateKey(value as string | KeyObject)
      return key.type === 'private' && key.asymmetricKeyType === 'ed25519'
    } catch {
      return false
    }
  }
)

export const sinkOptions = options<SinkOptions>()({
  policy: sinkPolicies,
  signingKey: option(signingKey, undefined),
  checkpointEntries: option(integer(1, MAX_INTEGER), 1_000),
  checkpointIntervalMs: option(timerMs, 60_000),
  onCheckpoint: option(callback, undefined)
})

/** Paths of files that have this ending. */
export function pathWith (ending: string): ValueType {
  return type(`path that ends in \`${ending}\``, `must be a path that ends in ${ending}`, value =>
    typeof value === 'string' &&
    value.endsWith(ending) &&
    /[^/\\]$/.test(value.slice(0, -ending.length)) &&
    !value.includes('\0'))
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
