import { join } from 'node:path'
import type { Test } from 'tap'
import {
  FileAdapter, type FileAdapterOptions, type PersistedState, type StateMetadata
} from '../../src/index.js'

export const metadata: StateMetadata = { persistedAt: 1000, serverId: 'shop', schemaVersion: 1 }

/** Keys that a careless naming of files would mix up, or could not store at all. */
export const awkwardKeys = [
  'a:b', 'a_b', 'A:b', 'a%3ab', '../x', '..', '.', '', ' ', '%',
  'x'.repeat(300), 'X'.repeat(300), `${'x'.repeat(300)}y`,
  'příliš žluťoučký', '日本語', '\u{1f600}', '\ud800', '\udfff', '\ufffd', '\ud800'.repeat(100),
  '\udfff'.repeat(100),
  'con', 'CON', 'com1', '~a.tmp', 'a.json', 'a\0b', 'a/b', 'a\\b', '__proto__'
]

/** Returns a state with its metadata, as an adapter takes it. */
export function savedAs (state: unknown): PersistedState<unknown> {
  return { state, metadata }
}

/** A file adapter without fsync, in a directory of the test that does not exist yet. */
export function fileAdapter (t: Test, options: Partial<FileAdapterOptions> = {}) {
  const directory = join(t.testdir(), 'states')
  return { directory, adapter: new FileAdapter({ directory, fsync: false, ...options }) }
}
