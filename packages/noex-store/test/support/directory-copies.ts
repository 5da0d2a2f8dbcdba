import { cpSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { FileLog, Store } from '../../src/index.js'
import { users } from './store.js'
import { temporaryDirectory } from './temporary-directory.js'

/** Writes a small store with all kinds of files, `records` between two snapshots; returns its image. */
export async function writeSmallStore (directory: string, records = 2): Promise<string> {
  const log = new FileLog({ directory })
  const store = await Store.start({ ttlCheckIntervalMs: 0 })
  await store.attachLog(log)
  await store.defineBucket('users', users)
  for (let part = 0; part < 3; part++) {
    for (let i = 0; i < records; i++) await store.bucket('users').insert({ id: `${part}-${i}`, age: i })
    if (part < 2) await log.truncate(store.image())
  }
  const image = JSON.stringify(store.image())
  await store.stop()
  await log.close()
  return image
}

/** Returns what makes copies of a directory, which are removed with the test. */
export function copiesOf (t: Test, directory: string): () => string {
  const folder = temporaryDirectory(t)
  return () => {
    const copy = mkdtempSync(join(folder, 'copy-'))
    cpSync(directory, copy, { recursive: true })
    return copy
  }
}

/** Returns the contents of the files in a directory by name, but for locks. */
export function filesIn (directory: string): Map<string, string> {
  const names = readdirSync(directory).filter(name => !name.startsWith('store.lock')).sort()
  return new Map(names.map(name => [name, readFileSync(join(directory, name), 'latin1')]))
}
