import type { BucketDefinition } from '@hamicek/noex-store'
import type { RecordInput } from './insert.js'
import type { StoreAccess } from './store-access.js'

/** The first number after `counter` that is no record's key. noex-store would count into a key that a client has chosen. */
export async function freeNumber (counter: number, isTaken: (key: number) => Promise<boolean>): Promise<number> {
  let number = counter + 1
  while (await isTaken(number)) number++
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
  let counter = await access.store.transaction(async tx => (await tx.bucket(bucket)).autoincrementCounter)
  const chosen = new Set(inputs.map(input => input[key]))
  const handle = access.bucket(bucket)
  const numbered: Array<Record<string, unknown>> = []
  for (const input of inputs) {
    if (input[key] === undefined) {
      counter = await freeNumber(counter, async number => chosen.has(number) || await handle.get(number) !== undefined)
      numbered.push({ ...input, [key]: counter })
    } else {
      numbered.push({ ...input })
    }
  }
  return numbered
}
