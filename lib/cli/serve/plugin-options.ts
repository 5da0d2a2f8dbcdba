import { mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { jsonlSink, type JsonlSinkOptions } from '../../audit/file/jsonl-sink.js'
import { postgresSink, type PostgresSinkOptions } from '../../audit/postgres/postgres-sink.js'
import type { AuditSink } from '../../audit/sink.js'
import { jwtAuth, type JwtAuthOptions } from '../../auth/jwt.js'
import type { NoexOptions } from '../../options/options.js'
import { NoexOptionsError, requireObject } from '../../util/option-schema.js'
import { array } from '../../util/option-types.js'

/** How the options of a file are read. */
export interface PluginContext {
  /** The folder that relative paths start from. */
  readonly folder: string
  /** Whether nothing is made on the disk. */
  readonly isCheck: boolean
}

type Given = Readonly<Record<string, unknown>>

/**
 * Returns the options of the plugin that a file gives as data: `auth.jwt` becomes the login by JSON Web
 * Tokens, `audit.sinks` the sinks. Makes the folders of these.
 * @throws {NoexOptionsError} with the path in the file
 */
export function pluginOptions (given: Given, context: PluginContext): Omit<NoexOptions, 'store'> {
  const { auth, audit, ...others } = given
  return {
    ...others,
    ...(auth !== undefined && { auth: authOf(requireObject(auth, 'auth')) }),
    ...(audit !== undefined && { audit: auditOf(requireObject(audit, 'audit'), context) })
  } as Omit<NoexOptions, 'store'>
}

function authOf (auth: Given): unknown {
  const modes = ['jwt', 'builtIn', 'gateway'].filter(name => auth[name] !== undefined)
  if (modes.length !== 1) throw new NoexOptionsError('auth', 'needs exactly one of jwt, builtIn, gateway')
  if (auth['jwt'] === undefined) return auth
  const { jwt, ...others } = auth
  const [misplaced] = Object.keys(others)
  if (misplaced !== undefined) throw new NoexOptionsError(`auth.${misplaced}`, 'belongs into auth.jwt')
  const options = requireObject(jwt, 'auth.jwt') as unknown as JwtAuthOptions
  return within('auth', 'auth.jwt', () => jwtAuth(options))
}

function auditOf (audit: Given, context: PluginContext): unknown {
  const { sinks, ...others } = audit
  if (sinks === undefined) return others
  array.check(sinks, 'audit.sinks')
  const made = (sinks as unknown[]).map((sink, i) => sinkOf(sink, `audit.sinks[${i}]`, context))
  // A sink that is opened takes the trail from the server that has it.
  return { ...others, sinks: context.isCheck ? [] : made }
}

function sinkOf (given: unknown, path: string, { folder, isCheck }: PluginContext): AuditSink {
  const sink = requireObject(given, path)
  const names = Object.keys(sink)
  const [kind] = names
  if (names.length !== 1 || (kind !== 'jsonl' && kind !== 'postgres')) {
    throw new NoexOptionsError(path, 'must be { "jsonl": { … } } or { "postgres": { … } }')
  }
  const options = requireObject(sink[kind], `${path}.${kind}`)
  const member = kind === 'jsonl' ? 'path' : 'spoolPath'
  const file = typeof options[member] === 'string' ? resolve(folder, options[member]) : undefined
  const placed = { ...options, ...(file !== undefined && { [member]: file }) }
  const made = within(`${kind}Sink`, `${path}.${kind}`, () => kind === 'jsonl'
    ? jsonlSink(placed as unknown as JsonlSinkOptions)
    : postgresSink(placed as unknown as PostgresSinkOptions))
  if (file !== undefined && !isCheck) mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  return made
}

/**
 * Runs a function whose errors have paths below `from`, and puts `to` in its place.
 * @throws {NoexOptionsError}
 */
function within<T> (from: string, to: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw moved(error, from, to)
  }
}

/** Returns an error whose path is below `to` where it was below `from`; every other error as it is. */
export function moved (error: unknown, from: string, to: string): unknown {
  if (!(error instanceof NoexOptionsError)) return error
  const { path, message } = error
  const rest = path.slice(from.length)
  if (!path.startsWith(from) || !/^$|^[.[]/.test(rest)) return error
  return new NoexOptionsError(to + rest, message.slice(`option ${path} `.length), { cause: error })
}
