import {
  isPlainObject, NoexOptionsError, option, optional, options, required, requireObject, type ValueType
} from '../../util/option-schema.js'
import { array, boolean, integer, MAX_INTEGER, nonEmptyText, timerMs, type } from '../../util/option-types.js'

/** The part of a configuration file that is not options of the plugin. */
interface ServeOptions {
  /**
   * TCP port; 0 lets the system choose. `--port` comes before it.
   * @default 8_080
   */
  port?: number
  /**
   * Address to listen on; `0.0.0.0` for all. `--host` comes before it.
   * @default '127.0.0.1'
   */
  host?: string
  /**
   * Level of the log.
   * @default 'info'
   */
  logLevel?: string
  /**
   * Proxies whose `X-Forwarded-For` counts: Fastify's option of that name.
   * @default false
   */
  trustProxy?: unknown
  /**
   * Serves TLS by itself: `key` and `cert` in PEM, for instance `{ "$file": "key.pem" }`, and `passphrase`.
   * @default none
   */
  https?: HttpsOptions
  /** The store. */
  store?: ServedStoreOptions
  /**
   * Buckets by name, as `defineBucket` takes them.
   * @default {}
   */
  buckets?: object
  /**
   * Queries by name, as `defineDeclarativeQuery` takes them.
   * @default {}
   */
  queries?: object
  /**
   * Rules, as `registerRule` takes them; they hear the changes of the store. `[]` for an engine without any.
   * @default none
   */
  rules?: readonly object[]
}

/** The option `https`. */
interface HttpsOptions {
  key: string
  cert: string
  /** @default none */
  passphrase?: string
}

/** The option `store`. */
interface ServedStoreOptions {
  /**
   * Name of the store.
   * @default 'noex'
   */
  name?: string
  /**
   * The log in which every commit is on the disk before its reply: `directory`, `fsync`, `snapshotBytes`,
   * `segmentBytes`, see [Durability](durability.md). Without it everything ends with the process.
   * @default none
   */
  durability?: LogOptions
  /**
   * In place of `durability`, buckets as files that are saved as a whole a while after they change:
   * `directory`, `debounceMs`.
   * @default none
   */
  persistence?: FileOptions
  /**
   * Time between two looks for records whose time is up, in milliseconds; 0 for none.
   * @default 1_000
   */
  ttlCheckIntervalMs?: number
  /**
   * Deleted keys that each bucket remembers.
   * @default 100_000
   */
  maxDeletedKeys?: number
  /**
   * Estimated bytes of a record.
   * @default 16_777_216
   */
  maxRecordBytes?: number
  /**
   * Estimated bytes of the input of one write.
   * @default 67_108_864
   */
  maxOperationBytes?: number
}

interface LogOptions {
  directory: string
  /** @default true */
  fsync?: boolean
  /** @default 67_108_864 */
  snapshotBytes?: number
  /** @default 67_108_864 */
  segmentBytes?: number
}

interface FileOptions {
  directory: string
  /** @default 100 */
  debounceMs?: number
}

const levels: readonly unknown[] = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']
const level = type(
  levels.map(name => `\`${String(name)}\``).join(', '), `must be one of ${levels.join(', ')}`,
  value => levels.includes(value)
)

const proxies = type(
  'boolean, number of proxies, text, or array of texts',
  'must be true, false, a number of proxies, or addresses',
  value => typeof value === 'boolean' || Number.isSafeInteger(value) || typeof value === 'string' ||
    (Array.isArray(value) && value.every(address => typeof address === 'string'))
)

const objects: ValueType = {
  text: 'object of objects',
  check (value, path) {
    for (const [name, inner] of Object.entries(requireObject(value, path))) {
      if (!isPlainObject(inner)) throw new NoexOptionsError(`${path}.${name}`, 'must be an object')
    }
  }
}

const bytes = integer(4_096, MAX_INTEGER)
const count = integer(0, MAX_INTEGER)

const servedStoreOptions = options<ServedStoreOptions>()({
  name: option(nonEmptyText, 'noex'),
  durability: optional(options<LogOptions>()({
    directory: required(nonEmptyText),
    fsync: option(boolean, true),
    snapshotBytes: option(bytes, 67_108_864),
    segmentBytes: option(bytes, 67_108_864)
  })),
  persistence: optional(options<FileOptions>()({
    directory: required(nonEmptyText),
    debounceMs: option(timerMs, 100)
  })),
  ttlCheckIntervalMs: option(integer(0, 2_147_483_647), 1_000),
  maxDeletedKeys: option(count, 100_000),
  maxRecordBytes: option(integer(1, MAX_INTEGER), 16_777_216),
  maxOperationBytes: option(integer(1, MAX_INTEGER), 67_108_864)
}, (values, path) => {
  if (values.durability !== undefined && values.persistence !== undefined) {
    throw new NoexOptionsError(`${path}.persistence`, 'stands in place of durability: leave one of them out')
  }
  return values
})

export const serveOptions = options<ServeOptions>()({
  port: option(integer(0, 65_535), 8080),
  host: option(nonEmptyText, '127.0.0.1'),
  logLevel: option(level, 'info'),
  trustProxy: option(proxies, false),
  https: optional(options<HttpsOptions>()({
    key: required(nonEmptyText),
    cert: required(nonEmptyText),
    passphrase: option(nonEmptyText, undefined)
  })),
  store: servedStoreOptions,
  buckets: option(objects, {}),
  queries: option(objects, {}),
  rules: option(array, undefined)
})
