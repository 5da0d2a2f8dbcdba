import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Noise that begins as a line does. */
const noise = Buffer.from('5f0c2b11 12 noise')

/**
 * Does to a directory what a loss of power may: what stands behind the last sync is cut, or reads as zeros or
 * noise from some place on. `acknowledged`: the revision up to which the writer has called all durable.
 * Returns whether there was something to do it to.
 */
export function cutPower (directory, acknowledged, n) {
  const names = readdirSync(directory)
  if (!names.includes('store.log') || !names.includes('store.json')) return false
  const path = join(directory, 'store.log')
  const content = readFileSync(path)
  const [tail, kind] = [durableBytes(content, synced(directory, names, acknowledged)), n % 4]
  const at = tail + n * 7_919 % (content.length - tail + 1)
  const rest = content.length - at
  const kept = content.subarray(0, at)
  if (kind === 0) writeFileSync(path, kept)
  else if (kind === 1) writeFileSync(path, Buffer.concat([kept, Buffer.alloc(rest + 700)]))
  else if (kind === 2) writeFileSync(path, Buffer.concat([kept, noise.subarray(0, 1 + n % noise.length)]))
  else writeFileSync(path, Buffer.concat([kept, Buffer.alloc(Math.min(rest, 512)), noise]))
  return true
}

/** The highest revision that the writer, the mark or a snapshot calls durable. */
function synced (directory, names, acknowledged) {
  const snapshots = names.map(name => Number(/^snapshot\.(\d{16})\.log$/.exec(name)?.[1] ?? 0))
  const mark = names.includes('store.mark') ? readFileSync(join(directory, 'store.mark'), 'utf8') : ''
  return Math.max(acknowledged, Number(/^(\d{16}) /.exec(mark)?.[1] ?? 0), ...snapshots)
}

/** Bytes of a log up to the line of a revision. */
function durableBytes (content, revision) {
  let bytes = 0
  // The last line says what was on the disk when its group was written.
  const last = content.lastIndexOf(10, content.length - 2) + 1
  const end = Math.max(revision, Number(durableOf(content.toString('latin1', last)) ?? 0))
  for (let at = 0, next = content.indexOf(10); next !== -1; at = next + 1, next = content.indexOf(10, at)) {
    const [, number] = content.toString('latin1', at, at + 60).split(' ')
    if (!(Number(number) <= end)) break
    bytes = next + 1
  }
  return bytes
}

function durableOf (line) {
  return /^[0-9a-f]{8} \d+ (\d+) /.exec(line)?.[1]
}
