import { createPrivateKey, KeyObject } from 'node:crypto'
import { NoexOptionsError } from '../option-checks.js'

/** Checks a policy. */
export function isPolicy (value: unknown, path: string): void {
  if (value !== 'block' && value !== 'drop') throw new NoexOptionsError(path, 'must be "block" or "drop"')
}

/** Checks a key that signs checkpoints. */
export function isSigningKey (value: unknown, path: string): void {
  let type: string | undefined
  try {
    const key = toPrivateKey(value as string | KeyObject)
    if (key.type === 'private') type = key.asymmetricKeyType
  } catch {}
  if (type !== 'ed25519') throw new NoexOptionsError(path, 'must be an Ed25519 private key, as PEM or KeyObject')
}

/** A private key, from what an option can be. */
export function toPrivateKey (key: string | KeyObject): KeyObject {
  return key instanceof KeyObject ? key : createPrivateKey(key)
}
