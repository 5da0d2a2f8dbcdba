import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'
import { FileAdapter, Store } from '../../lib/exports/store.js'
import { projectFile } from '../support/project-file.js'

const fixture = projectFile('test/fixtures/saving-server.js')

export interface SavingServerOptions {
  readonly port: number
  /** Where its store is kept. */
  readonly directory: string
  readonly gracePeriodMs: number
  readonly drainDelayMs: number
}

/** A service in a process of its own, whose store is kept in files. */
export class SavingServer {
  readonly #t: Test
  readonly #options: SavingServerOptions
  #child: ChildProcess | undefined

  constructor (t: Test, options: SavingServerOptions) {
    this.#t = t
    this.#options = options
    t.teardown(() => { this.#child?.kill('SIGKILL') })
  }

  /** Starts it, or starts it again; resolves when it listens. */
  async start (): Promise<void> {
    const { port, directory, gracePeriodMs, drainDelayMs } = this.#options
    this.#child = fork(fixture, [port, directory, gracePeriodMs, drainDelayMs].map(String), {
      execArgv: [],
      env: { ...process.env, NODE_OPTIONS: '' }
    })
    const [message] = await Promise.race([once(this.#child, 'message'), once(this.#child, 'exit')])
    if (message !== 'listening') throw new Error(`the server has ended with ${String(message)}`)
  }

  /** Ends it by SIGTERM; resolves when it has ended by itself. */
  async stop (): Promise<void> {
    const child = this.#child
    if (child === undefined) throw new Error('the server does not run')
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    this.#t.same(await exited, [0, null], 'the process ends by itself, with code 0')
  }
}

/** The keys of all records that a service has saved. */
export async function savedKeys (directory: string): Promise<Set<string>> {
  const failures: Error[] = []
  const store = await Store.start({
    name: 'writes',
    persistence: { adapter: new FileAdapter({ directory }), onError: error => { failures.push(error) } }
  })
  await store.defineBucket('writes', { key: 'id', schema: { id: { type: 'string', required: true } } })
  if (failures.length > 0) throw new AggregateError(failures, 'what was saved cannot be read')
  const records = await store.bucket('writes').all()
  await store.stop()
  return new Set(records.map(record => String(record['id'])))
}
