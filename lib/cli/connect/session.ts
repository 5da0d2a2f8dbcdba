import type { Client, LiveQuery, NoexClientError, Find } from '../../client/index.js'
import { UsageError } from '../command.js'
import { membersOf, objectOf, wordsOf } from '../members.js'
import { escapeText } from '../print.js'
import { withoutCall } from '../server-connection.js'
import { isRecord, jsonText } from '../values.js'

/** The outputs of a session: results and errors, each when it comes. */
export interface SessionView {
  readonly result: (data: unknown) => Promise<void>
  readonly error: (text: string) => Promise<void>
  /** Shows the newest state of a live query; may leave states out. */
  readonly live: (title: string, data: unknown) => void
  readonly event: (title: string, topic: string, data: unknown) => void
}

/** Live queries and events that one session may have at a time. */
const MAX_LIVE = 100

/** The commands of the prompt, with their help. */
export const promptCommands: Readonly<Record<string, string>> = {
  '.watch': '.watch QUERY [PARAMETERS]   show a live query, by name or by JSON like {"bucket":"orders"}',
  '.events': '.events PATTERN             show events of the rules',
  '.stop': '.stop [N]                   end number N of what is shown, or all of it',
  '.help': '.help                       show this',
  '.exit': '.exit                       leave, as Ctrl-D does'
}

const helpText = [
  'OPERATION [MEMBERS]         send a request: one JSON object, or NAME=VALUE each',
  ...Object.values(promptCommands)
].join('\n')

/** The outcome of a line. */
export type LineOutcome = 'done' | 'refused' | 'exit'

/** A conversation with a server, line by line. */
export class Session {
  readonly #client: Client
  readonly #view: SessionView
  readonly #live = new Map<number, { readonly title: string, readonly stop: () => void }>()
  #lastNumber = 0
  #request: AbortController | undefined

  constructor (client: Client, view: SessionView) {
    this.#client = client
    this.#view = view
  }

  /** Does what a line says. Never rejects. */
  async run (line: string): Promise<LineOutcome> {
    const [name, ...words] = wordsOf(line)
    if (name === undefined || name.startsWith('#')) return 'done'
    try {
      return name.startsWith('.') ? await this.#command(name, words) : await this.#send(name, words)
    } catch (error) {
      await this.#view.error(textOf(error as NoexClientError))
      return 'refused'
    }
  }

  /** Gives up the request that waits for its answer; returns whether there was one. */
  abort (): boolean {
    if (this.#request === undefined) return false
    this.#request.abort()
    // A server answers in order: on this connection, the next answer would come after that of this request.
    this.#client.reconnect()
    return true
  }

  /** Ends what is shown. */
  close (): void {
    this.#request?.abort()
    for (const { stop } of this.#live.values()) stop()
    this.#live.clear()
  }

  async #send (operation: string, words: readonly string[]): Promise<LineOutcome> {
    const members = membersOf(words)
    const { signal } = this.#request = new AbortController()
    try {
      await this.#view.result(await this.#client.request(operation, members, { signal }))
      return 'done'
    } finally {
      this.#request = undefined
    }
  }

  async #command (name: string, words: readonly string[]): Promise<LineOutcome> {
    const [first, ...others] = words
    switch (name) {
      case '.watch':
        if (first === undefined) throw new UsageError('.watch takes a query')
        this.#watch(first, others)
        return 'done'
      case '.events':
        if (first === undefined || others.length > 0) throw new UsageError('.events takes one pattern')
        this.#add(`events ${first}`, (_title, number) => this.#client.events(first, (event, topic) => {
          this.#view.event(`[${number}]`, topic, isRecord(event) ? event['data'] : event)
        }))
        return 'done'
      case '.stop':
        this.#stop(first)
        return 'done'
      case '.help':
        await this.#view.error(helpText)
        return 'done'
      case '.exit':
        return 'exit'
      default:
        throw new UsageError(`there is no ${name}: .help shows what there is`)
    }
  }

  #watch (name: string, words: readonly string[]): void {
    const isFind = name.startsWith('{')
    if (isFind && words.length > 0) throw new UsageError('a description takes no parameters')
    const params = words.length === 0 ? undefined : membersOf(words)
    const query: LiveQuery<unknown> = isFind
      ? this.#client.query(objectOf(name) as unknown as Find)
      : this.#client.query(name, params)
    this.#add(name, (title, number) => {
      let shown: unknown
      return query.subscribe(() => {
        const { data, status, error } = query.state
        if (status === 'error') {
          this.#view.error(`${title} has ended: ${error === undefined ? '' : textOf(error)}`)
          this.#live.get(number)?.stop()
          this.#live.delete(number)
        } else if (status === 'live' && data !== shown) {
          shown = data
          this.#view.live(title, data)
        }
      })
    })
  }

  #add (name: string, begin: (title: string, number: number) => () => void): void {
    if (this.#live.size >= MAX_LIVE) throw new UsageError(`there are ${MAX_LIVE} already: .stop ends one`)
    const number = ++this.#lastNumber
    const title = `[${number}] ${escapeText(name.slice(0, 60))}`
    this.#live.set(number, { title, stop: () => {} })
    const stop = begin(title, number)
    if (this.#live.has(number)) this.#live.set(number, { title, stop })
    else stop()
  }

  #stop (word: string | undefined): void {
    const numbers = word === undefined ? [...this.#live.keys()] : [Number(word)]
    for (const number of numbers) {
      const live = this.#live.get(number)
      if (live === undefined) {
        const titles = [...this.#live.values()].map(({ title }) => title).join(', ')
        throw new UsageError(`there is no number ${word}; there are: ${titles}`)
      }
      live.stop()
      this.#live.delete(number)
    }
  }
}

function textOf (error: Partial<NoexClientError> & { readonly outcome?: string }): string {
  const { code, message, details, outcome } = error
  if (code === 'ABORTED') return 'given up: it is not known whether it was done'
  const isWire = code !== undefined && !code.startsWith('ERR_')
  const more = details === undefined || details === null ? '' : `\n${jsonText(details)}`
  const unknown = outcome === 'unknown' ? ': it is not known whether it was done' : ''
  return escapeLines(`${isWire ? `${code}: ` : ''}${withoutCall(message ?? '')}${unknown}`) + more
}

/** Escapes a text that has lines of its own. */
function escapeLines (text: string): string {
  return text.split('\n').map(escapeText).join('\n')
}
