import { noexOptions } from '../../options/options.js'
import { didYouMean, nearestNames } from '../../util/nearest.js'
import { NoexOptionsError, type Resolved } from '../../util/option-schema.js'
import { serveOptions } from './serve-options.js'

/** The values of a file: those of `serveOptions`, checked, and the options of the plugin as given. */
export interface ServedValues {
  readonly own: Resolved<typeof serveOptions>
  readonly plugin: Readonly<Record<string, unknown>>
}

/** Options of the plugin that are functions, and need a program. */
const programs: Readonly<Record<string, string>> = {
  operations: 'needs a program: docs/operations.md shows it'
}

/** Parts the values of a file. @throws {NoexOptionsError} for an unknown name or a wrong value */
export function partValues (values: Readonly<Record<string, unknown>>): ServedValues {
  const own = Object.keys(serveOptions.members)
  const ofPlugin = Object.keys(noexOptions.members).filter(name => !own.includes(name))
  for (const name of Object.keys(values)) {
    const program = Object.hasOwn(programs, name) ? programs[name] : undefined
    if (program !== undefined) throw new NoexOptionsError(name, program)
    if (own.includes(name) || ofPlugin.includes(name)) continue
    const [near] = nearestNames(name, [...own, ...ofPlugin])
    throw new NoexOptionsError(name, `is unknown${didYouMean(near)}`)
  }
  const pick = (names: readonly string[]): Record<string, unknown> =>
    Object.fromEntries(Object.entries(values).filter(([name]) => names.includes(name)))
  return { own: serveOptions.resolve(pick(own), ''), plugin: pick(ofPlugin) }
}
