import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** Makes a directory that is removed with the test. */
export function temporaryDirectory (t: Test, parent = tmpdir()): string {
  const directory = mkdtempSync(join(parent, 'noex-store-'))
  t.teardown(async () => { await rm(directory, { recursive: true, force: true }) })
  return directory
}
