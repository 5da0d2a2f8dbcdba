import { didYouMean, nearestNames } from './nearest.js'

/** A bad option: `path` is its place, for instance `heartbeat.intervalMs`. */
export class NoexOptionsError extends Error {
  override readonly name = 'NoexOptionsError'
  readonly code = 'NOEX_ERR_INVALID_OPTION'
  readonly path: string

  constructor (path: string, problem: string, options?: ErrorOptions) {
    super(`option ${path} ${problem}`, options)
    this.path = path
  }
}

/** The values that an option may have: `text` names them in the documents, `check` throws for any other. */
export interface ValueType {
  readonly text: string
  /** @throws {NoexOptionsError} unless `value` may stand at `path` */
  readonly check: (value: unknown, path: string) => void
}

/** Checks what is given at a path, `undefined` where nothing is, and returns the values that count. */
export interface Schema<Values> {
  /** @throws {NoexOptionsError} at the first option that is unknown, wrong or missing */
  readonly resolve: (given: unknown, path: string) => Values
}

/** One option: the values that it may have, and the one that counts where none is given. */
export interface Option<Fallback> extends Schema<unknown> {
  readonly type: ValueType
  readonly isRequired: boolean
  readonly fallback: Fallback
}

/** The options of one object. */
export interface OptionGroup<Values, Members = Readonly<Record<string, Schema<unknown>>>> extends
  Schema<Values> {
  readonly members: Members
  /** The values that count where nothing is given, without those of required options. */
  readonly defaults: Readonly<Record<string, unknown>>
}

/** The values of a group, or of another schema. */
export type Resolved<Of> = Of extends Schema<infer Values> ? Values : never

/** A schema for each option that the interface `Documented` declares. */
type MembersOf<Documented> = {
  readonly [Name in keyof Documented]-?: Option<Documented[Name] | undefined> | Schema<object | undefined>
}

type ValueOf<Documented, Member> = Member extends Option<infer Fallback>
  ? Exclude<Documented, undefined> | Extract<Fallback, undefined>
  : Resolved<Member>

type ValuesOf<Documented, Members> = {
  readonly [Name in keyof Documented]-?: ValueOf<Documented[Name], Members[Name & keyof Members]>
}

/** Builds the schema of an option that may be left out. Arrays that are given are copied. */
export function option<const Fallback> (type: ValueType, fallback: Fallback): Option<Fallback> {
  return {
    type,
    isRequired: false,
    fallback,
    resolve (given, path) {
      if (given === undefined) return fallback
      type.check(given, path)
      return Array.isArray(given) ? [...given as unknown[]] : given
    }
  }
}

/** Builds the schema of an option that must be given; `hint` ends the error where it is not. */
export function required (type: ValueType, hint = ''): Option<never> {
  const { resolve } = option(type, undefined)
  return {
    type,
    isRequired: true,
    fallback: undefined as never,
    resolve (given, path) {
      if (given === undefined) throw new NoexOptionsError(path, `is required${hint}`)
      return resolve(given, path)
    }
  }
}

/**
 * Builds the schema of an object of options from one member for each option of the interface `Documented`,
 * whose doc comments describe them: `options<HeartbeatOptions>()({ intervalMs: option(integer(1, 9), 5) })`.
 * `undefined` counts as absent. `finish` checks values together, and may return others.
 */
export function options<Documented> () {
  return <Members extends MembersOf<Documented>, Values = ValuesOf<Documented, Members>>(
    members: Members & { readonly [Name in Exclude<keyof Members, keyof Documented>]: never },
    finish?: (values: ValuesOf<Documented, Members>, path: string) => Values
  ): OptionGroup<NoInfer<Values>, Members> => ({
    members,
    defaults: defaultsOf(members),
    resolve (given = {}, path) {
      const values = resolveMembers(members, given, path) as ValuesOf<Documented, Members>
      return finish === undefined ? values as unknown as Values : finish(values, path)
    }
  })
}

/** Builds the schema of a group that may be left out as a whole: then its value is `undefined`. */
export function optional<Values, Members> (
  group: OptionGroup<Values, Members>
): OptionGroup<Values | undefined, Members> & { readonly isOptional: true } {
  return {
    ...group,
    isOptional: true,
    resolve: (given, path) => given === undefined ? undefined : group.resolve(given, path)
  }
}

/** Tells whether a schema is that of an object of options. */
export function isGroup (schema: Schema<unknown>): schema is OptionGroup<unknown> {
  return 'members' in schema
}

/** Returns `given` where it can be an object of options. @throws {NoexOptionsError} */
export function requireObject (given: unknown, path: string): Record<string, unknown> {
  if (!isPlainObject(given)) throw new NoexOptionsError(path, 'must be an object')
  return given
}

export function isPlainObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

type Members = OptionGroup<unknown>['members']

/** Options are looked at in the order in which they are given, then those that are missing. */
function resolveMembers (members: Members, given: unknown, path: string): Record<string, unknown> {
  const values = requireObject(given, path)
  const names = Object.keys(values).filter(name => values[name] !== undefined)
  const resolved: Record<string, unknown> = {}
  for (const name of new Set([...names, ...Object.keys(members)])) {
    const place = path === '' ? name : `${path}.${name}`
    const member = Object.hasOwn(members, name) ? members[name] : undefined
    if (member === undefined) {
      const [near] = nearestNames(name, Object.keys(members))
      throw new NoexOptionsError(place, `is unknown${didYouMean(near)}`)
    }
    resolved[name] = member.resolve(values[name], place)
  }
  return resolved
}

function defaultsOf (members: Members): Record<string, unknown> {
  const given = Object.entries(members).filter(([, member]) => !(member as Option<unknown>).isRequired)
  return Object.fromEntries(given.map(([name, member]) => {
    if (!isGroup(member)) return [name, (member as Option<unknown>).fallback]
    return [name, 'isOptional' in member ? undefined : member.defaults]
  }))
}
