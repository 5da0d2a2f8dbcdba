import type { Bucket } from '../bucket/bucket.js'
import { checkCauses, type InboundReference } from '../commit/references.js'
import type { Engine } from '../commit/engine.js'
import type { StoreRecord } from '../types/record.js'
import type { Overlay } from './overlay.js'

/** A record that refers to a deleted one, as the transaction sees it. */
interface Referring {
  readonly key: unknown
  readonly record: StoreRecord
}

/**
 * Does in a transaction what a delete causes, so that its later reads see it: records that refer to the
 * deleted one are deleted too, or lose the reference. Those of `restrict` are looked at by the commit, in the
 * state that it leads to. May stop between two records.
 * @throws CommitTooLargeError
 */
export function * followDelete (
  engine: Engine, overlayOf: (bucket: Bucket) => Overlay, bucket: Bucket, deleted: unknown
): Generator<undefined, undefined> {
  const pending: Array<readonly [bucket: Bucket, key: unknown]> = [[bucket, deleted]]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [target, key] = next
    for (const inbound of engine.inboundOf(target)) {
      const { source, reference: { field, onDelete } } = inbound
      if (onDelete === 'restrict') continue
      const overlay = overlayOf(source)
      checkCauses(inbound, key, overlay.maxChanges)
      for (const { key: own, record } of referring(inbound, overlay, key)) {
        if (onDelete === 'cascade') {
          overlay.setCaused(own, record, undefined)
          pending.push([source, own])
        } else {
          overlay.setCaused(own, record, source.maker.update(record, { [field]: null }, engine.now))
        }
        yield
      }
    }
  }
}

function referring (
  { source, reference: { field } }: InboundReference, overlay: Overlay, target: unknown
): Referring[] {
  const index = source.contents.byField.get(field)
  const found: Referring[] = []
  if (index === undefined) return found
  for (const { key, record } of index.hash.rows(target)) {
    if (record !== undefined && !overlay.has(key)) found.push({ key, record })
  }
  for (const { key, after } of overlay.having(index, target)) {
    if (after !== undefined) found.push({ key, record: after })
  }
  return found
}
