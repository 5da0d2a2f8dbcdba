import { resolve } from 'node:path'
import { RuleEngine, type RuleInput } from '@hamicek/noex-rules'
import {
  bridgeStoreToRules, FileAdapter, Store, type BucketDefinition, type DeclarativeQueryConfig,
  type DurabilityNotice, type StoreOptions
} from '@hamicek/noex-store'
import { noexPlugin } from '../../plugin.js'
import { createApp } from '../../server.js'
import type { ConfigFile } from './config-file.js'
import { ConfigError } from './config-file.js'
import type { LogLines } from './log-lines.js'
import { moved, pluginOptions } from './plugin-options.js'
import { partValues, type ServedValues } from './serve-options.js'

/** What comes before the file. */
export interface ServeSettings {
  readonly port?: number | undefined
  readonly host?: string | undefined
  /** Takes the lines of the log. */
  readonly log: LogLines
  /** Whether the configuration is only checked: nothing listens, and nothing is on the disk. */
  readonly isCheck?: boolean
}

/** A server that runs. */
export interface Served {
  /** The address that it listens on, as a URL; empty after a check. */
  readonly url: string
  readonly log: ReturnType<typeof createApp>['log']
  /** Drains, closes, and stops the store. Rejects where something could not be made durable. */
  readonly stop: () => Promise<void>
}

/**
 * Starts the server of a configuration.
 * @throws {ConfigError} with the path in the file, after everything that was begun has been ended
 */
export async function serveConfig (config: ConfigFile, settings: ServeSettings): Promise<Served> {
  const parts = new Parts()
  try {
    const values = partValues(config.values)
    return await start(config, values, settings, parts)
  } catch (error) {
    // The first error is the one to report.
    await parts.end().catch(() => {})
    throw toConfigError(config, error)
  }
}

async function start (
  config: ConfigFile, { own, plugin }: ServedValues, { port, host, log, isCheck = false }: ServeSettings,
  parts: Parts
): Promise<Served> {
  const options = pluginOptions(plugin, { folder: config.folder, isCheck })
  const app = createApp({
    logger: { level: own.logLevel, stream: log },
    trustProxy: own.trustProxy as boolean,
    ...(own.https !== undefined && { https: own.https as { key: string, cert: string } })
  })
  const onNotice = ({ type, message, error: err }: DurabilityNotice): void => {
    const isBad = type === 'unavailable' || type === 'snapshot_failed'
    app.log[isBad ? 'error' : 'warn']({ err, notice: type }, message)
  }
  const store = await Store.start(storeOptions(own.store, config.folder, isCheck, onNotice))
  parts.add(async () => { await store.stop() })
  await define(store, own)
  const rules = own.rules && await startRules(own.rules, error => {
    app.log.error({ err: error }, 'a rule has failed')
  })
  if (rules !== undefined) {
    parts.add(async () => { await rules.stop() })
    parts.add(await bridgeStoreToRules(store, rules))
  }
  // It closes before its store: the last writes are saved too.
  parts.add(async () => { await app.close() })
  await app.register(noexPlugin, { ...options, store, ...(rules !== undefined && { rules }) })
  await app.ready()
  const url = isCheck ? '' : await app.listen({ port: port ?? own.port, host: host ?? own.host })
  return {
    url,
    log: app.log,
    async stop () {
      await app.noex.drain()
      await parts.end()
    }
  }
}

/** The parts that have been begun. They end with the last first, each whether or not others fail. */
class Parts {
  readonly #ends: Array<() => Promise<void>> = []

  add (end: () => Promise<void>): void {
    this.#ends.push(end)
  }

  /** Rejects with the first failure. */
  async end (): Promise<void> {
    const failures: unknown[] = []
    for (const end of this.#ends.splice(0).reverse()) {
      await end().catch((error: unknown) => { failures.push(error) })
    }
    if (failures.length > 0) throw failures[0]
  }
}

function storeOptions (
  { durability, persistence, ...others }: ServedValues['own']['store'], folder: string, isCheck: boolean,
  onNotice: (notice: DurabilityNotice) => void
): StoreOptions {
  if (isCheck) return others
  return {
    ...others,
    ...(durability !== undefined && {
      durability: { ...durability, directory: resolve(folder, durability.directory), onNotice }
    }),
    ...(persistence !== undefined && {
      persistence: {
        adapter: new FileAdapter({ directory: resolve(folder, persistence.directory) }),
        debounceMs: persistence.debounceMs
      }
    })
  }
}

async function define (store: Store, { buckets, queries }: ServedValues['own']): Promise<void> {
  for (const [name, definition] of Object.entries(buckets)) {
    await store.defineBucket(name, definition as BucketDefinition).catch((error: unknown) => {
      throw new PlaceError(`buckets.${name}`, error)
    })
  }
  for (const [name, query] of Object.entries(queries)) {
    try {
      store.defineDeclarativeQuery(name, query as DeclarativeQueryConfig)
    } catch (error) {
      throw new PlaceError(`queries.${name}`, error)
    }
  }
}

async function startRules (rules: readonly unknown[], onError: (error: Error) => void): Promise<RuleEngine> {
  const engine = await RuleEngine.start({ onError })
  for (const [i, rule] of rules.entries()) {
    try {
      engine.registerRule(rule as RuleInput)
    } catch (error) {
      await engine.stop()
      throw new PlaceError(`rules[${i}]`, error)
    }
  }
  return engine
}

/** Thrown for a part of the file that the store or the rule engine refuses. */
class PlaceError extends Error {
  constructor (path: string, cause: unknown) {
    super(`${path}: ${(cause as Error).message}`, { cause })
  }
}

/** Returns an error that begins with the file, and has the path in it. */
function toConfigError ({ name, values }: ConfigFile, error: unknown): Error {
  if (error instanceof ConfigError) return error
  const hasJwt = (values['auth'] as { jwt?: unknown } | undefined)?.jwt !== undefined
  const placed = hasJwt && !/^auth\.jwt/.test((error as { path?: string }).path ?? '')
    ? moved(error, 'auth', 'auth.jwt')
    : error
  return new ConfigError(name, (placed as Error).message)
}
