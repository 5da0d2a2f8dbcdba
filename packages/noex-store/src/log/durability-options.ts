import type { DurabilityNotice, DurabilityOptions } from '../types/durability.js'

/** Least bytes of a segment, and of commits between two snapshots. */
const MIN_BYTES = 4_096
const DEFAULT_BYTES = 67_108_864

const names: ReadonlySet<string> = new Set<keyof DurabilityOptions>(
  ['directory', 'fsync', 'snapshotBytes', 'segmentBytes', 'onNotice']
)

/**
 * Completes the options of a store in files; `undefined` for one in memory.
 * @throws TypeError naming the member that is wrong
 */
export function resolveDurability (
  durability: 'memory' | DurabilityOptions = 'memory', hasPersistence: boolean
): Required<DurabilityOptions> | undefined {
  if (durability === 'memory') return undefined
  if (typeof durability !== 'object' || durability === null) {
    throw new TypeError("durability: must be 'memory' or an object with a directory")
  }
  if (hasPersistence) {
    throw new TypeError('durability and persistence exclude each other: leave persistence out, the log of ' +
      'durability keeps everything')
  }
  const unknown = Object.keys(durability).find(name => !names.has(name))
  if (unknown !== undefined) {
    throw new TypeError(`durability.${unknown}: is unknown; there are ${[...names].join(', ')}`)
  }
  const { directory, fsync = true, onNotice = warnOf } = durability
  if (typeof directory !== 'string' || directory === '') {
    throw new TypeError('durability.directory: must be the path of a folder')
  }
  if (typeof fsync !== 'boolean') throw new TypeError('durability.fsync: must be a boolean')
  if (typeof onNotice !== 'function') throw new TypeError('durability.onNotice: must be a function')
  return {
    directory,
    fsync,
    onNotice,
    snapshotBytes: bytesOf('snapshotBytes', durability.snapshotBytes),
    segmentBytes: bytesOf('segmentBytes', durability.segmentBytes)
  }
}

function bytesOf (name: string, value = DEFAULT_BYTES): number {
  if (Number.isSafeInteger(value) && value >= MIN_BYTES) return value
  throw new TypeError(`durability.${name}: must be a whole number of bytes, at least ${MIN_BYTES}`)
}

function warnOf ({ type, message }: DurabilityNotice): void {
  if (type === 'available' || type === 'disk_ok') return
  process.emitWarning(message, { type: 'NoexStoreWarning', code: `store-${type.replace('_', '-')}` })
}
