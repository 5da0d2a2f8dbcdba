import type { ValidationIssue } from '../errors.js'
import { type NamedReference, namedReferences } from '../expressions/reference.js'
import { parseTemplate } from '../expressions/template-parts.js'

/** The most issues that are collected. */
const MAX_ISSUES = 100
const MAX_NAME_LENGTH = 64
const DIGITS = /^\d+$/

/** The path of the rule itself. */
export const ROOT = '(root)'

/** Collects the issues of a validation. Each path keeps its first error. */
export class Issues {
  readonly #errors = new Map<string, ValidationIssue>()
  readonly #warnings: ValidationIssue[] = []
  readonly #referred: Array<NamedReference & { readonly path: string }> = []

  get hasErrors (): boolean {
    return this.#errors.size > 0
  }

  error (path: string, message: string): void {
    if (!this.#isFull && !this.#errors.has(path)) this.#errors.set(path, { path, message, severity: 'error' })
  }

  warning (path: string, message: string): void {
    if (!this.#isFull) this.#warnings.push({ path, message, severity: 'warning' })
  }

  /** Runs a compiler; the message of its error becomes an issue. */
  catch (path: string, compile: () => void): void {
    try {
      compile()
    } catch (error) {
      this.error(path, error instanceof Error ? error.message : 'cannot be used')
    }
  }

  /** Records the references of a text with `${}`. */
  noteTextReferences (path: string, text: string): void {
    for (const named of namedReferences(parseTemplate(text))) this.noteName(path, named)
  }

  /** Records the reference of a `{ ref }`. */
  noteReference (path: string, reference: string): void {
    for (const named of namedReferences([parseTemplate(reference)])) this.noteName(path, named)
  }

  noteName (path: string, named: NamedReference): void {
    if (this.#referred.length < MAX_ISSUES) this.#referred.push({ path, ...named })
  }

  /** Warns of references to aliases and lookups that the rule does not have: they are always `undefined`. */
  warnOfUnknownNames (aliases: ReadonlySet<string>, lookups: ReadonlySet<string>): void {
    for (const { path, root, name } of this.#referred) {
      const isKnown = root === 'lookup' ? lookups.has(name) : aliases.has(name) || DIGITS.test(name)
      const kind = root === 'lookup' ? 'lookup' : 'alias'
      if (!isKnown) this.warning(path, `refers to ${root}.${name}, but the rule has no such ${kind}`)
    }
  }

  toResult (): ValidationResult {
    return { valid: !this.hasErrors, errors: [...this.#errors.values()], warnings: [...this.#warnings] }
  }

  get #isFull (): boolean {
    return this.#errors.size + this.#warnings.length >= MAX_ISSUES
  }
}

/** Returns the path of a property: `trigger.topic`; the name alone at the root. */
export function memberPath (path: string, name: string): string {
  const short = name.length > MAX_NAME_LENGTH ? `${name.slice(0, MAX_NAME_LENGTH)}…` : name
  return path === '' ? short : `${path}.${short}`
}

/** Returns the path of a member of an array: `actions[0]`. */
export function indexPath (path: string, index: number): string {
  return `${path}[${index}]`
}

/** The result of a validation. */
export interface ValidationResult {
  /** Whether there are no errors. */
  valid: boolean
  errors: ValidationIssue[]
  warnings: ValidationIssue[]
}
