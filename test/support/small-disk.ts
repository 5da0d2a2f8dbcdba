import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { temporaryDirectory } from './temporary-directory.js'

/** A file system of 256 KiB, mounted for the length of a test. */
export interface SmallDisk {
  readonly directory: string
  /** Leaves room for 32 KiB. */
  fill: () => void
  /** Gives the room back. */
  free: () => void
}

/** Mounts a small file system; `undefined` where that is not possible. In CI it has to be. */
export function smallDisk (t: Test): SmallDisk | undefined {
  const directory = temporaryDirectory(t)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', directory], { stdio: 'ignore' })
  } catch {
    if (process.env['CI'] !== undefined) t.fail('a file system cannot be mounted')
    else t.comment('a file system cannot be mounted: not tested')
    return undefined
  }
  t.teardown(() => { execFileSync('umount', ['-l', directory]) })
  const filler = join(directory, 'filler')
  return {
    directory,
    fill () {
      execFileSync('sh', [
        '-c',
        `head -c 300000 /dev/zero > ${filler} 2> /dev/null; truncate -s -32k ${filler}`
      ])
    },
    free () { rmSync(filler) }
  }
}
