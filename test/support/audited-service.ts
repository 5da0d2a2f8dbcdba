import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { Store } from '@hamicek/noex-store'
import {
  jsonlSink,
  type AuditSink,
  type JsonlSinkOptions,
  type RecordedEntry
} from '../../lib/exports/audit.js'
import type { NoexOptions } from '../../lib/index.js'
import { serve, type Served } from './service.js'
import { logInto } from './log-into.js'
import { temporaryDirectory } from './temporary-directory.js'

/** The secret of the administrator. */
export const adminSecret = '9f1c5e0b7a3d48e2b6c4d1f0a8e7c3b5'

/** A sink in files that holds batches back while `isHolding` is set, and rejects them when `isLost` is. */
function heldSink (options: JsonlSinkOptions): AuditSink & { isHolding: boolean, isLost: boolean } {
  const sink = jsonlSink(options)
  let isHolding = false
  let waiting: Array<() => void> = []
  const held = {
    name: 'held',
    policy: sink.policy,
    isLost: false,
    get isHolding () { return isHolding },
    set isHolding (value: boolean) {
      isHolding = value
      if (value) return
      for (const resume of waiting) resume()
      waiting = []
    },
    async open (context: Parameters<AuditSink['open']>[0]) {
      const writer = await sink.open(context)
      return {
        commits: writer.commits as NonNullable<typeof writer.commits>,
        async write (batch: readonly RecordedEntry[]) {
          while (held.isHolding) await new Promise<void>(resolve => { waiting.push(resolve) })
          if (held.isLost) throw new Error('the process has ended')
          await writer.write(batch)
        },
        close: async () => { await writer.close() }
      }
    }
  }
  return held
}

/** A service that can be ended like by a crash. */
export interface Audited extends Served {
  readonly sink: ReturnType<typeof heldSink>
  readonly lines: Array<Record<string, unknown>>
  /** Ends the service like a crash: entries that the trail does not have yet are lost. */
  readonly crash: () => Promise<void>
  readonly stop: () => Promise<void>
}

/** The paths of a service's data. */
export interface Place {
  readonly directory: string
  readonly path: string
}

/** Serves a durable store with a trail in files, through a `heldSink`. */
export async function serveAudited (
  t: Test, { directory, path }: Place, options?: Partial<JsonlSinkOptions>, isHolding = false,
  others: Omit<NoexOptions, 'store'> = {}
): Promise<Audited> {
  const store = await Store.start({ durability: { directory, onNotice () {} } })
  t.teardown(async () => { await store.stop().catch(() => {}) })
  const sink = heldSink({ ...options, path })
  sink.isHolding = isHolding
  const lines: Array<Record<string, unknown>> = []
  const audit = { tiers: ['admin' as const, 'write' as const], sinks: [sink], writeTimeoutMs: 400 }
  const served = await serve(t, { ...others, audit }, { store, fastify: { logger: logInto(lines, 'info') } })
  const stop = async (): Promise<void> => {
    await served.app.close().catch(() => {})
    await store.stop()
  }
  return {
    ...served,
    sink,
    lines,
    stop,
    async crash () {
      sink.isLost = true
      sink.isHolding = false
      await stop()
    }
  }
}

/** Returns paths in a temporary directory. */
export function place (t: Test): Place {
  const folder = temporaryDirectory(t)
  return { directory: join(folder, 'store'), path: join(folder, 'trail.jsonl') }
}

/** A line of a trail. */
export type Line = Readonly<Record<string, any>>
/** Returns the entries of a trail. */
export const linesOf = (path: string): Line[] =>
  readFileSync(path, 'utf8').split('\n').filter(line => line !== '').map(line => JSON.parse(line) as Line)
/** Returns the entries of requests that have written. */
export const writesIn = (path: string): Line[] =>
  linesOf(path).filter(({ revision }) => revision !== undefined)

/** Steps of a procedure of two commits. */
export const steps = [
  { action: 'store.insert', bucket: 'items', data: { id: 'p1' } },
  { action: 'store.insert', bucket: 'items', data: { id: 'p2' } }
]
