import type { BucketDefinition, StoreRecord } from '@hamicek/noex-store'
import { guardUpdate, hasCallbacks } from './callback-guard.js'
import { checkTexts, matchesTexts, type Candidate } from './value-guard.js'

type StoredRecords = ReadonlyArray<StoreRecord | undefined>

/**
 * Checks what an update by `data` has the store look at. It checks whole records after each update, so the
 * texts of the `stored` ones count, too, and its validators see the whole record.
 * @throws `VALIDATION_ERROR` for a text that takes too long to match, and what `guardUpdate` throws
 */
export async function checkMerged (
  bucket: string, definition: BucketDefinition, data: Candidate, stored: () => Promise<StoredRecords>
): Promise<void> {
  const [matches, calls] = [matchesTexts(definition), hasCallbacks(bucket, definition)]
  if (!matches && !calls) return
  const records = await stored()
  if (matches) checkTexts(bucket, definition, records.map(record => ({ ...record, ...data })))
  if (!calls) return
  for (const record of records) if (record !== undefined) guardUpdate(bucket, definition, record, data)
}
