import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { RuleEngine, type RuleInput } from '@hamicek/noex-rules'
import {
  bridgeStoreToRules, defineSchema, FileAdapter, Store, type BucketDefinition, type DurabilityNotice,
  type StoreOptions, type StoreSchema
} from '@hamicek/noex-store'
import { noexPlugin } from '../../plugin.js'
import { createApp } from '../../server.js'
import { checkQueryConfig } from '../../store/query-config.js'
import { ConfigError, type ConfigFile } from './config-file.js'
import type { LogStream } from './log-lines.js'
import { moved, pluginOptions } from './plugin-options.js'
import type { RunningServer } from './run-until-signal.js'
import { partValues, type ServedValues } from './served-values.js'

/** The settings beside the file. */
export interface ServeSettings {
  readonly port?: number | undefined
  readonly host?: string | undefined
  /** Takes the lines of the log. */
  readonly log: LogStream
  /** Whether the configuration is only checked: nothing listens, and nothing is on the disk. */
  readonly isCheck?: boolean
}

/**
 * Starts the server of a configuration.
 * @throws {ConfigError} with the path in the file, after everything that was begun has been ended
 */
export async function serveConfig (config: ConfigFile, settings: ServeSettings): Promise<RunningServer> {
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
): Promise<RunningServer> {
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
  try {
    await app.register(noexPlugin, { ...options, store, ...(rules !== undefined && { rules }) })
    await app.ready()
  } catch (error) {
    const hasJwt = (plugin['auth'] as { jwt?: unknown } | undefined)?.jwt !== undefined
    throw hasJwt ? moved(error, 'auth', 'auth.jwt') : error
  }
  if (!isCheck) await app.listen({ port: port ?? own.port, host: host ?? own.host })
  return {
    log: app.log,
    isDraining: () => !isCheck && app.noex.state !== 'serving',
    async stop () {
      if (!isCheck) await app.noex.drain()
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
  try {
    // It knows misspelt options, and references to buckets that are not there.
    defineSchema(buckets as StoreSchema)
  } catch (error) {
    throw new PlaceError('buckets', error)
  }
  for (const [name, definition] of Object.entries(buckets)) {
    await store.defineBucket(name, definition as BucketDefinition).catch((error: unknown) => {
      throw new PlaceError(`buckets.${name}`, error)
    })
  }
  for (const [name, query] of Object.entries(queries)) {
    try {
      const config = checkQueryConfig(query)
      const known = store.getQueryInfo(name)
      // The log has it as an earlier file has defined it.
      if (known !== undefined && !isDeepStrictEqual(known.config, config)) store.undefineQuery(name)
      store.defineDeclarativeQuery(name, config)
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
function toConfigError ({ name }: ConfigFile, error: unknown): Error {
  return error instanceof ConfigError ? error : new ConfigError(name, (error as Error).message)
}
