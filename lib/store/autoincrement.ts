import type { BucketDefinition } from '@hamicek/noex-store'
import type { RecordInput } from './record-input.js'
import type { StoreAccess } from './store-access.js'

/**
 * The first number after `counter`, and after the last one given out here, that is no record's key.
 * noex-store would count into a key that a client has chosen.
 */
export async function freeNumber (access: StoreAccess, bucket: string, counter: number, isTaken: (key: number) => Promise<boolean>): Promise<number> {
  let number = Math.max(counter, access.lastNumbers.get(bucket) ?? 0) + 1
  while (await isTaken(number)) number++
  access.lastNumbers.set(bucket, number)
  return number
}

/** Whether the store numbers the records of this bucket that come without a key. */
export function isNumbered (definition: BucketDefinition): boolean {
  return definition.schema[definition.key]?.generated === 'autoincrement'
}

/**
 * Gives free numbers to the records that come without a key. The store's own counter stays where it is when a
 * batch fails, so after one number that is taken it would fail for ever.
 */
export async function numberRecords (access: StoreAccess, bucket: string, definition: BucketDefinition, inputs: readonly RecordInput[]): Promise<Array<Record<string, unknown>>> {
  const { key } = definition
  const counter = await access.store.transaction(async tx => (await tx.bucket(bucket)).autoincrementCounter)
  const chosen = new Set(inputs.map(input => input[key]))
  const handle = access.bucket(bucket)
  const numbered: Array<Record<string, unknown>> = []
  for (const input of inputs) {
    if (input[key] === undefined) {
      const number = await freeNumber(access, bucket, counter, async number => chosen.has(number) || await handle.get(number) !== undefined)
      numbered.push({ ...input, [key]: number })
    } else {
      numbered.push({ ...input })
    }
  }
  return numbered
}
