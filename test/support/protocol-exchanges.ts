/** One message of an exchange; `text` is what was sent, which need not be JSON where the client sends it. */
interface Message {
  readonly from: 'client' | 'server'
  readonly text: string
}

/** The messages below a mark `<!-- exchange: client -->` of PROTOCOL.md. */
export interface Exchange {
  /** The connection that the messages go over. */
  readonly client: string
  /** The nearest heading above. */
  readonly heading: string
  readonly messages: readonly Message[]
}

/** A heading with what stands below it, up to the next heading of any level. */
export interface Section {
  readonly heading: string
  readonly text: string
}

/** Splits a document at its headings; lines of code blocks are no headings. */
export function sectionsOf (markdown: string): Section[] {
  const sections: Array<{ heading: string, lines: string[] }> = [{ heading: '', lines: [] }]
  let isCode = false
  for (const line of markdown.split('\n')) {
    if (line.startsWith('```')) isCode = !isCode
    const heading = isCode ? undefined : /^#{1,6} (.+)$/.exec(line)?.[1]
    if (heading === undefined) sections.at(-1)?.lines.push(line)
    else sections.push({ heading, lines: [] })
  }
  return sections.map(({ heading, lines }) => ({ heading, text: lines.join('\n') }))
}

/** Returns the anchor that GitHub gives to a heading. */
export function anchorOf (heading: string): string {
  return heading.toLowerCase().replace(/[^\w\s-]/g, '').replaceAll(' ', '-')
}

/** Reads all exchanges of a document, in its order. */
export function exchangesOf (markdown: string): Exchange[] {
  return sectionsOf(markdown).flatMap(({ heading, text }) =>
    [...text.matchAll(/^<!-- exchange: ([\w-]+) -->\n```json\n([^]*?)\n```$/gm)]
      .map(([, client = '', lines = '']) => ({ client, heading, messages: messagesOf(lines) })))
}

/** Lines that begin with two blanks go on with the message above them. */
function messagesOf (lines: string): Message[] {
  return lines.replace(/\n {2}/g, '\n').split(/\n(?=[<>])/).map(message => ({
    from: message.startsWith('>') ? 'client' as const : 'server' as const,
    text: message.slice(2).replaceAll('\n', '')
  }))
}

/** Texts that differ from run to run: ids, tokens and the like. */
const random = /conn-\d+|sub-[\w-]{8,}|[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}(?:\.[\w-]{16})?|[\w-]{20,}|[\w-]{12}-\d+(?![\w-])/g

/** Members that count what the machine does: any number is right. */
const measured = /Ms$|PerSecond$/

/** Later than the year 2017: a time, where it is a number of milliseconds. */
const EARLIEST_TIME = 1_500_000_000_000

/**
 * Compares messages of a document with those of a server: times may be any, an id stands for the one that
 * the server gave in its place, and a list that ends with `…` for one that goes on.
 */
export class Examples {
  readonly #real = new Map<string, string>()

  /** Returns a text of the document with the ids that the server has given. */
  translate (text: string): string {
    return text.replace(random, word => this.#real.get(word) ?? word)
  }

  /** Returns where a message of the server differs from that of the document; `undefined` if nowhere. */
  difference (shown: unknown, real: unknown, path = ''): string | undefined {
    const name = path.slice(path.lastIndexOf('.') + 1)
    if (typeof shown === 'string' && typeof real === 'string') return this.#textDifference(shown, real, path)
    if (typeof shown === 'number' && typeof real === 'number') {
      const isFree = measured.test(name) || (shown > EARLIEST_TIME && real > EARLIEST_TIME)
      return isFree || shown === real ? undefined : `${path}: ${shown} is ${real}`
    }
    if (typeof shown !== 'object' || typeof real !== 'object' || shown === null || real === null) {
      return shown === real ? undefined : `${path}: ${JSON.stringify(shown)} is ${JSON.stringify(real)}`
    }
    if (Array.isArray(shown) && Array.isArray(real) && shown.at(-1) === '…') {
      return this.difference(shown.slice(0, -1), real.slice(0, shown.length - 1), path)
    }
    const names = [Object.keys(shown), Object.keys(real)].map(keys => keys.join())
    if (names[0] !== names[1]) return `${path} has ${String(names[0])} instead of ${String(names[1])}`
    const values = Object.values(real) as unknown[]
    return Object.entries(shown)
      .map(([key, value], index) => this.difference(value, values[index], `${path}.${key}`))
      .find(problem => problem !== undefined)
  }

  #textDifference (shown: string, real: string, path: string): string | undefined {
    const words = shown.match(random) ?? []
    const given = real.match(random) ?? []
    for (const [index, word] of words.entries()) {
      if (!this.#real.has(word)) this.#real.set(word, given[index] ?? word)
    }
    return this.translate(shown) === real ? undefined : `${path}: ${shown} is ${real}`
  }
}

/**
 * Returns a value with each leaf replaced by its type, and lists by their first element, as `operations` are:
 * those that have been asked for so far.
 */
export function shapeOf (value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf)
  if (typeof value !== 'object' || value === null) return typeof value
  return Object.fromEntries(Object.entries(value).map(([name, item]) =>
    [name, name === 'operations' ? Object.values(item as object).slice(0, 1).map(shapeOf) : shapeOf(item)]))
}
