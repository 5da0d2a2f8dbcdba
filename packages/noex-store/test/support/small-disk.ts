import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** A file system of 512 KiB, mounted for the length of a test. */
export interface SmallDisk {
  readonly directory: string
  /** Leaves room for 16 KiB. */
  fill: () => void
  /** Gives the room back. */
  free: () => void
}

/** Mounts a small file system; `undefined` where that is not possible. In CI it has to be. */
export function smallDisk (t: Test): SmallDisk | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'noex-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', directory], { stdio: 'ignore' })
  } catch {
    if (process.env['CI'] !== undefined) t.fail('a file system cannot be mounted')
    else t.comment('a file system cannot be mounted: not tested')
    rmSync(directory, { recursive: true })
    return undefined
  }
  t.teardown(() => {
    execFileSync('umount', ['-l', directory])
    rmSync(directory, { recursive: true })
  })
  const filler = join(directory, 'filler')
  const script = `head -c 600000 /dev/zero > ${filler} 2> /dev/null; truncate -s -16k ${filler}`
  return {
    directory,
    fill () { execFileSync('sh', ['-c', script]) },
    free () { rmSync(filler) }
  }
}
