import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** Makes a folder that is removed with the test. */
export function temporaryDirectory (t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'noex-journal-'))
  t.teardown(async () => { await rm(directory, { recursive: true, force: true }) })
  return directory
}

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
  const fill = `head -c 300000 /dev/zero > ${filler} 2> /dev/null; truncate -s -32k ${filler}`
  return {
    directory,
    fill () { execFileSync('sh', ['-c', fill]) },
    free () { rmSync(filler) }
  }
}
