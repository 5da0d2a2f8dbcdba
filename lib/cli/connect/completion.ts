import type { Client } from '../../client/index.js'
import { escapeText } from '../print.js'
import { isRecord } from '../values.js'
import { promptCommands } from './session.js'

/** Names that are offered at a time. */
const MAX_NAMES = 200

/** Lines after which the names of a server may be others. */
const changesNames = /^\s*(store\.\w*(Bucket|Query)|procedures\.)/

/** The names of a server. */
export interface ServerNames {
  readonly buckets: readonly string[]
  readonly queries: readonly string[]
  readonly procedures: readonly string[]
  /** The members of each operation, by its name. */
  readonly operations: ReadonlyMap<string, readonly string[]>
}

const none: ServerNames = { buckets: [], queries: [], procedures: [], operations: new Map() }

/** Completes lines of the prompt by what the server has. */
export class Completion {
  readonly #client: Client
  readonly #builtIn: ReadonlyMap<string, readonly string[]>
  #names = none

  /** `builtIn` are the members of the operations that every server has, by name. */
  constructor (client: Client, builtIn: ReadonlyMap<string, readonly string[]>) {
    this.#client = client
    this.#builtIn = builtIn
  }

  /** Asks the server for its names; those of before stay where it does not answer. */
  async refresh (): Promise<void> {
    const described: unknown = await this.#client.request('server.describe').catch(() => undefined)
    if (isRecord(described)) this.#names = namesIn(described, this.#builtIn)
    else if (this.#names === none) this.#names = { ...none, operations: this.#builtIn }
  }

  /** Asks anew where a line may have changed the names. */
  async refreshAfter (line: string): Promise<void> {
    if (changesNames.test(line)) await this.refresh()
  }

  /** Returns what the end of a line may become, and that end: what readline wants of a completer. */
  readonly complete = (line: string): [names: string[], end: string] => completionsOf(line, this.#names)
}

/** Returns what the end of a line may become, and that end. */
export function completionsOf (line: string, names: ServerNames): [names: string[], end: string] {
  const { buckets, queries, procedures, operations } = names
  const named: Readonly<Record<string, readonly string[]>> = {
    bucket: buckets,
    query: queries,
    name: /^\s*procedures\./.test(line) ? procedures : queries,
    procedure: procedures
  }
  const inJson = /"(\w+)"\s*:\s*"([^"]*)$/.exec(line)
  if (inJson !== null) {
    const [, member = '', start = ''] = inJson
    return [fitting(listOf(named, member), start), start]
  }
  const [, before = '', word = ''] = /^(.*?)(\S*)$/.exec(line) ?? []
  const [first, ...others] = before.trim().split(/\s+/)
  if (first === '' || first === undefined) {
    const all = [...Object.keys(promptCommands), ...operations.keys()]
    return [fitting(all, word).map(name => `${name} `), word]
  }
  if (first.startsWith('.')) {
    return [first === '.watch' && others.length === 0 ? fitting(queries, word) : [], word]
  }
  const [, member, start] = /^(\w+)=(.*)$/.exec(word) ?? []
  if (member !== undefined && start !== undefined) {
    return [fitting(listOf(named, member), start).map(name => `${member}=${name}`), word]
  }
  return [fitting(operations.get(first) ?? [], word).map(name => `${name}=`), word]
}

function listOf (named: Readonly<Record<string, readonly string[]>>, member: string): readonly string[] {
  return Object.hasOwn(named, member) ? named[member] as readonly string[] : []
}

/** Names that would not be one word, or not what they seem on a terminal, are left out. */
function fitting (names: readonly string[], start: string): string[] {
  return names.filter(name => name.startsWith(start) && !/\s/.test(name) && escapeText(name) === name)
    .slice(0, MAX_NAMES)
}

function namesIn (
  described: Readonly<Record<string, unknown>>, builtIn: ServerNames['operations']
): ServerNames {
  const namesOf = (part: string): string[] => isRecord(described[part]) ? Object.keys(described[part]) : []
  const own = Object.entries(isRecord(described['operations']) ? described['operations'] : {})
    .map(([name, operation]): [string, string[]] => [name, membersOf(operation)])
  return {
    buckets: namesOf('buckets'),
    queries: namesOf('queries'),
    procedures: namesOf('procedures'),
    operations: new Map([...builtIn, ...own])
  }
}

function membersOf (operation: unknown): string[] {
  const input = isRecord(operation) ? operation['input'] : undefined
  const properties = isRecord(input) ? input['properties'] : undefined
  return isRecord(properties) ? Object.keys(properties) : []
}
