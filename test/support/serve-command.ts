import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startCommand, type CommandProcess } from './command-process.js'
import { temporaryDirectory } from './temporary-directory.js'

/** Buckets and queries of the tests of `serve`. */
export const shop = {
  port: 0,
  buckets: {
    items: {
      key: 'id',
      schema: { id: { type: 'string', generated: 'uuid' }, name: { type: 'string' }, n: { type: 'number' } },
      indexes: ['n']
    }
  },
  queries: { 'at-least': { bucket: 'items', filter: { n: { $gte: '{{ params.n }}' } } } }
}

/** Writes a configuration into a folder of its own, and returns its path. */
export function writeConfig (t: Test, config: unknown): string {
  const file = join(temporaryDirectory(t), 'noex.json')
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config, undefined, 2))
  return file
}

export interface ServedProcess {
  readonly process: CommandProcess
  /** `ws://127.0.0.1:<port>` */
  readonly url: string
}

/** Runs `serve` with a configuration file until it listens. */
export async function startServe (
  t: Test, file: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}
): Promise<ServedProcess> {
  const process = startCommand(t, ['serve', '-c', file, ...args], env)
  const [, scheme, address] = await process.sees(/Server listening at http(s?):\/\/([\d.:]+)/)
  return { process, url: `ws${scheme}://${(address as string).replace('127.0.0.1', 'localhost')}` }
}
