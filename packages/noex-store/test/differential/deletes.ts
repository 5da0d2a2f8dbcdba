import type { StoreRecord } from 'registry-noex-store'
import { keyAt } from './definitions.js'
import type { Operation } from './operations.js'
import { isBadFilter, matches } from './reference.js'
import type { Contents } from './side.js'
import { filterIn, type World } from './world.js'

interface Target {
  readonly bucket: string
  readonly key: unknown
}

/** The right end of a delete: the contents after it, or the refusals of which one is given. */
export type RightDelete = { readonly contents: Contents } | { readonly refusals: readonly string[] }

/** Works out what a delete does to the records that refer to the deleted ones. */
export function rightDelete (operation: Operation, world: World): RightDelete | undefined {
  if (operation.kind !== 'delete' && operation.kind !== 'deleteMany') return undefined
  const bucket = world.buckets.get(operation.bucket)
  if (bucket === undefined) return undefined
  const filter = filterIn(operation, world) ?? {
    id: keyAt(bucket.definition, 'key' in operation ? operation.key : 0)
  }
  if (isBadFilter(filter, bucket.definition)) return undefined
  const targets: Target[] = bucket.records.filter(record => matches(record, filter, bucket.definition))
    .map(record => ({ bucket: operation.bucket, key: record['id'] }))
  return follow(targets, world)
}

function follow (targets: Target[], world: World): RightDelete {
  const gone = new Set(targets.map(textOf))
  const freed: Array<Target & { readonly field: string }> = []
  const restricting: Array<Target & { readonly refusal: string }> = []
  // The list grows while it is walked.
  for (const target of targets) {
    for (const [source, { definition, records }] of world.buckets) {
      for (const [field, { ref, onDelete = 'restrict' }] of Object.entries(definition.schema)) {
        if (ref !== target.bucket) continue
        for (const record of records) {
          if (record[field] !== target.key) continue
          const from = { bucket: source, key: record['id'] }
          if (onDelete === 'cascade' && !gone.has(textOf(from))) {
            gone.add(textOf(from))
            targets.push(from)
          } else if (onDelete === 'set_null') {
            freed.push({ ...from, field })
          } else if (onDelete === 'restrict') {
            restricting.push({ ...from, refusal: refusal(target, from, field) })
          }
        }
      }
    }
  }
  const refusals = restricting.filter(from => !gone.has(textOf(from))).map(({ refusal }) => refusal)
  if (refusals.length > 0) return { refusals }
  return { contents: after(world, gone, freed) }
}

function after (
  world: World, gone: ReadonlySet<string>, freed: ReadonlyArray<Target & { readonly field: string }>
): Contents {
  return Object.fromEntries(Object.entries(world.contents).map(([bucket, records]) => {
    const kept = records.filter(record => !gone.has(textOf({ bucket, key: record['id'] })))
    return [bucket, kept.map(record => {
      const own = freed.filter(one => one.bucket === bucket && one.key === record['id'])
      const fields = own.map(({ field }) => field)
      if (fields.length === 0) return record
      return {
        ...record,
        ...Object.fromEntries(fields.map(field => [field, null])),
        _version: record._version + fields.length,
        _updatedAt: Date.now()
      } as StoreRecord
    })]
  }))
}

const textOf = ({ bucket, key }: Target): string => `${bucket} ${typeof key} ${String(key)}`

function refusal (target: Target, from: Target, field: string): string {
  return 'ReferentialIntegrityError: ' +
    `Cannot delete from bucket "${target.bucket}" (key "${String(target.key)}"): ` +
    `referenced by bucket "${from.bucket}" (key "${String(from.key)}") via field "${field}"`
}
