import { readFileSync } from 'node:fs'
import { projectFile } from './project-file.js'

/** A text of a shipped file and what stands in its place in a test's copy. */
export type Replacement = readonly [from: string | RegExp, to: string]

/** The path of a file in deploy/. */
export function deployPath (name: string): string {
  return projectFile(`deploy/${name}`)
}

/** A file of deploy/ as it is shipped. */
export function shipped (name: string): string {
  return readFileSync(deployPath(name), 'utf8')
}

/**
 * A file of deploy/ with the ports, paths and certificates of a test. Throws when one of the texts to replace
 * is not in it, so that a copy never differs from what was meant.
 */
export function adapted (name: string, replacements: readonly Replacement[]): string {
  return replacements.reduce((text, [from, to]) => {
    if (!(typeof from === 'string' ? text.includes(from) : from.test(text))) {
      throw new Error(`deploy/${name} does not contain ${String(from)}`)
    }
    return text.replaceAll(typeof from === 'string' ? from : new RegExp(from, `${from.flags}g`), () => to)
  }, shipped(name))
}
