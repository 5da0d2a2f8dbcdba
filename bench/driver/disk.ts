import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { latencyOf, type Latency } from './statistics.js'

const SYNCS = 400

/** How long the disk of a folder takes to keep another 4 KiB of a file. */
export function diskLatency (folder: string): Latency {
  const path = join(folder, 'disk')
  const file = openSync(path, 'w')
  const page = Buffer.alloc(4_096, 1)
  const tookMs = Array.from({ length: SYNCS }, () => {
    writeSync(file, page)
    const began = performance.now()
    fdatasyncSync(file)
    return performance.now() - began
  })
  closeSync(file)
  rmSync(path)
  return latencyOf([tookMs])
}
