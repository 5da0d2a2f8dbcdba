import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isRecord } from '../values.js'

/** Bytes of a configuration, and of a file with a secret. */
const MAX_CONFIG_BYTES = 16_777_216
const MAX_SECRET_BYTES = 1_048_576

/** How deep a configuration may be nested. */
const MAX_DEPTH = 100

/** Parts of a configuration in which nothing is replaced: they are data of the application. */
const plainParts = ['buckets', 'queries', 'rules', 'procedures']

/** A configuration file, read. */
export interface ConfigFile {
  /** The file as it was named. */
  readonly name: string
  /** The folder that relative paths start from. */
  readonly folder: string
  readonly values: Readonly<Record<string, unknown>>
}

/** Thrown when a configuration is not as it should be; the message begins with the name of the file. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'

  constructor (file: string, problem: string) {
    super(`${file}: ${problem}`)
  }
}

/**
 * Reads a configuration. `{ "$env": NAME }` is replaced by the variable NAME, `{ "$file": PATH }` by the
 * content of a file, without its last line end.
 * @throws {ConfigError} that names the place
 */
export function readConfig (name: string, env: Readonly<Record<string, string | undefined>>): ConfigFile {
  const folder = dirname(resolve(name))
  const values = parse(name, readText(name, name, MAX_CONFIG_BYTES))
  if (!isRecord(values)) throw new ConfigError(name, 'must be a JSON object')
  const replace = (value: unknown, path: string, depth: number): unknown => {
    if (depth > MAX_DEPTH) throw new ConfigError(name, `${path.slice(0, 80)} … is nested too deep`)
    if (Array.isArray(value)) return value.map((item, i) => replace(item, `${path}[${i}]`, depth + 1))
    if (!isRecord(value)) return value
    const entries = Object.entries(value)
    const [[kind, source] = []] = entries
    if (entries.length === 1 && (kind === '$env' || kind === '$file')) {
      if (typeof source !== 'string' || source === '') {
        throw new ConfigError(name, `${path}.${kind} must be a text`)
      }
      return kind === '$env'
        ? variable(name, env, source, path)
        : readText(name, resolve(folder, source), MAX_SECRET_BYTES, path).replace(/\r?\n$/, '')
    }
    return Object.fromEntries(entries.map(([member, inner]) => {
      const isPlain = path === '' && plainParts.includes(member)
      return [member, isPlain ? inner : replace(inner, path === '' ? member : `${path}.${member}`, depth + 1)]
    }))
  }
  return { name, folder, values: replace(values, '', 0) as Record<string, unknown> }
}

function variable (
  file: string, env: Readonly<Record<string, string | undefined>>, name: string, path: string
): string {
  const value = env[name] ?? ''
  if (value === '') throw new ConfigError(file, `${path}: the variable ${name} is not set`)
  return value
}

/** Reads a file, which must be one: a pipe would be waited for. */
function readText (config: string, file: string, maxBytes: number, path?: string): string {
  const place = path === undefined ? '' : `${path}: `
  try {
    const stats = statSync(file)
    if (!stats.isFile()) throw new Error(`${file} is not a file`)
    if (stats.size > maxBytes) throw new Error(`${file} has more than ${maxBytes} bytes`)
    return readFileSync(file, 'utf8').replace(/^\ufeff/, '')
  } catch (error) {
    throw new ConfigError(config, place + (error as Error).message)
  }
}

/** Parses JSON. The message of an error has the place, and nothing of the text, which may hold secrets. */
function parse (name: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const before = text.slice(0, placeOf(text, (error as Error).message)).split('\n')
    const column = (before.at(-1) as string).length + 1
    throw new ConfigError(name, `it is no JSON: line ${before.length}, column ${column}`)
  }
}

/** Returns the index at which a text stops to be JSON. */
function placeOf (text: string, message: string): number {
  const told = /at position (\d+)/.exec(message)?.[1]
  if (told !== undefined) return Number(told)
  // The end of the shortest beginning that cannot be gone on from.
  let [good, bad] = [0, text.length]
  while (good + 1 < bad) {
    const middle = (good + bad) >>> 1
    if (isBeginning(text.slice(0, middle))) good = middle
    else bad = middle
  }
  return good
}

function isBeginning (text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch (error) {
    return /end of JSON|Unterminated|minus sign|Exponent|escape/.test((error as Error).message)
  }
}
