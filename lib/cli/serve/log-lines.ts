import { inspect } from 'node:util'
import { escapeText, formatTime, paint, type Output } from '../print.js'
import { jsonText } from '../values.js'

/** The names and colours of the levels of a log. */
const levels: Readonly<Record<number, readonly [name: string, colour: number]>> = {
  10: ['trace', 90],
  20: ['debug', 90],
  30: ['info', 32],
  40: ['warn', 33],
  50: ['error', 31],
  60: ['fatal', 31]
}

/** Longest part of a line behind its message, in characters. */
const MAX_CHARS = 1_000

/** Members of every line that say nothing to the person at the terminal. */
const silent = ['level', 'time', 'pid', 'hostname', 'msg', 'reqId']

/** Takes the lines of a log, as the logger writes them. */
export interface LogStream {
  write (line: string): void
}

/** Takes a log that is not wanted. */
export const noLog: LogStream = { write () {} }

/** The log of a server, as its logger writes it: lines of JSON, or lines for people. */
export class LogLines implements LogStream {
  readonly #output: Output
  readonly #isPretty: boolean
  readonly #colour: boolean

  constructor (output: Output, isPretty: boolean, colour: boolean) {
    this.#output = output
    this.#isPretty = isPretty
    this.#colour = colour
  }

  /** Writes one line of JSON. When the reader has gone, it is dropped. */
  write (line: string): void {
    this.#output.push(this.#isPretty ? this.#format(line) : line.trimEnd())
  }

  #format (line: string): string {
    let entry: Record<string, unknown>
    try {
      entry = JSON.parse(line) as Record<string, unknown>
    } catch {
      return escapeText(line.trimEnd())
    }
    const { level, time, msg } = entry
    const [name, colour] = levels[level as number] ?? [String(level), 39]
    const others = Object.entries(entry).filter(([member]) => !silent.includes(member))
      .map(([member, value]) => [escapeText(member), jsonText(member === 'err' ? messageOf(value) : value)])
      .map(([member, text]) => ` ${member}=${text}`).join('').slice(0, MAX_CHARS)
    return `${formatTime(Number(time)).slice(11, 23)} ${paint(name.padEnd(5), colour, this.#colour)} ` +
      escapeText(typeof msg === 'string' ? msg : inspect(msg)) + others
  }
}

function messageOf (error: unknown): unknown {
  return (error as { message?: unknown } | null)?.message ?? error
}
