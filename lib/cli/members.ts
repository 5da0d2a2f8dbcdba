import { UsageError } from './command.js'
import { isRecord } from './values.js'

/**
 * Returns the members that words say: one JSON object, or `name=value` each, where the value is JSON or,
 * where it is none, a text.
 * @throws {UsageError} that says which word is neither
 */
export function membersOf (words: readonly string[]): Record<string, unknown> {
  const [first, ...others] = words
  if (first === undefined) return {}
  if (/^\s*[{["\d]/.test(first)) {
    if (others.length > 0) throw new UsageError('there is more behind the JSON: put it between quotes')
    return objectOf(first)
  }
  return Object.fromEntries(words.map(pairOf))
}

/** Parses a JSON object. @throws {UsageError} for everything else, with the place */
export function objectOf (text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new UsageError(`it is no JSON: ${(error as Error).message}`)
  }
  if (!isRecord(value)) throw new UsageError('it must be a JSON object, like {"bucket":"orders"}')
  return value
}

function pairOf (word: string): [string, unknown] {
  const [, name, text] = /^([\w-]+)=([^]*)$/.exec(word) ?? []
  if (name === undefined || text === undefined) {
    throw new UsageError(`${word} is neither a JSON object nor name=value`)
  }
  try {
    return [name, JSON.parse(text)]
  } catch {
    return [name, text]
  }
}

/**
 * Splits a line into words: blanks separate them, except between quotes and inside of brackets, so that JSON
 * is one word. Quotes around a whole word, or a value, go.
 */
export function wordsOf (line: string): string[] {
  const words: string[] = []
  let word = ''
  let depth = 0
  let quote = ''
  for (let at = 0; at < line.length; at++) {
    const char = line[at] as string
    if (quote !== '') {
      if (char === quote) quote = ''
      // In single quotes, as in a shell, everything is as it is.
      if (char !== '\'' || quote === '"') word += char
      if (char === '\\' && quote === '"') word += line[++at] ?? ''
    } else if (char === '"' || (char === '\'' && depth === 0 && /(^|=)$/.test(word))) {
      quote = char
      if (char === '"') word += char
    } else if (depth === 0 && /\s/.test(char)) {
      if (word !== '') words.push(word)
      word = ''
    } else {
      if (/[{[]/.test(char)) depth += 1
      if (/[}\]]/.test(char)) depth = Math.max(0, depth - 1)
      word += char
    }
  }
  if (word !== '') words.push(word)
  return words
}
