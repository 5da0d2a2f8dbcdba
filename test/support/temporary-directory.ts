import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/**
 * A folder that is removed with the test, after everything that the test opens later has been closed: a store
 * that stops writes once more.
 */
export function temporaryDirectory (t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'noex-test-'))
  t.teardown(async () => { await rm(directory, { recursive: true, force: true }) })
  return directory
}
