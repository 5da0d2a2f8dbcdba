import type { Client, Find, LiveQuery, NoexClientError } from '../client/index.js'
import {
  BAD, codeOf, OK, runCommand, toInteger, UsageError, type CommandIo
} from './command.js'
import { readLogin, serverHelp, serverOptions } from './login.js'
import { membersOf, objectOf } from './members.js'
import { escapeText, paint, type Output } from './print.js'
import { connected, openClient, withAdvice, withoutCall } from './server-connection.js'
import { linesOf } from './table.js'
import { Screen, widthOfTerminal } from './terminal.js'
import { fit, jsonText } from './values.js'

const help = `Usage: fastify-noex watch [options] URL QUERY [PARAMETERS]

Shows the result of a live query, and every change of it: on a terminal as a table in place, in a pipe as one
line of JSON for each result. A reader that is slow gets the newest result and not all of them. QUERY is the
name of a query, or a description as JSON; PARAMETERS are one JSON object, or NAME=VALUE each:

  fastify-noex watch ws://localhost:8080/live low-stock atMost=5
  fastify-noex watch ws://localhost:8080/live '{"bucket":"orders","filter":{"status":"new"}}'

It goes on when the server comes back. Ctrl-C ends it.

${serverHelp}

Options:
  --count N   end after N results
  --json      print lines of JSON, as in a pipe
  --pretty    print for people, as on a terminal
  -h, --help  print this

Exit codes: 0 done (--count, or the reader has gone), 1 the server has refused or ended the query, 2 wrong
usage or no server, 130 Ctrl-C, 143 SIGTERM, 129 the terminal has gone.`

const options = { ...serverOptions, count: { type: 'string' } } as const

/** Least time between two frames on a terminal, in milliseconds. */
const FRAME_MS = 50

/** `fastify-noex watch`. Resolves with the exit code. */
export async function watch (args: readonly string[], io: CommandIo): Promise<number> {
  return await runCommand({
    help,
    argument: 'URL',
    options,
    async run ({ values, files: [url, name, ...words], output, errors, style, signal }) {
      if (name === undefined || name === '') throw new UsageError('the query is missing')
      const find = name.startsWith('{') ? objectOf(name) as unknown as Find : undefined
      if (find !== undefined && words.length > 0) throw new UsageError('a description takes no parameters')
      const params = words.length === 0 ? undefined : membersOf(words)
      const count = values.count === undefined ? Infinity : toInteger('--count', values.count, 1)
      const login = await readLogin(values, io)
      const client = openClient({ url, login, ca: values.ca })
      try {
        await connected(client).catch((error: NoexClientError) => {
          throw new Error(withAdvice(error, login !== undefined))
        })
        const query = find === undefined ? client.query(name, params) : client.query(find)
        const watched: Watched = {
          client,
          query,
          title: find === undefined ? name : jsonText(find),
          count,
          hasLogin: login !== undefined
        }
        const isScreen = style.pretty && io.isTTY && io.env['TERM'] !== 'dumb'
        return isScreen
          ? await watchOnScreen(watched, io, signal, style.colour)
          : await watchInLines(watched, io, signal, output, errors, style.pretty)
      } catch (error) {
        if (!(error instanceof QueryError)) throw error
        await errors.line(`fastify-noex: ${escapeText(error.message)}`)
        return BAD
      } finally {
        client.close()
      }
    }
  }, args, io)
}

/** A live query that a command shows. */
interface Watched {
  readonly client: Client
  readonly query: LiveQuery<unknown>
  readonly title: string
  /** Results to show. */
  readonly count: number
  readonly hasLogin: boolean
}

/** Thrown when the server has refused or ended the query. */
class QueryError extends Error {}

/**
 * Calls `onChange` with each change of the query or the connection, until it calls `finish`, the query has
 * failed, or a signal ends it. Resolves with the exit code.
 */
async function follow (
  { client, query, hasLogin }: Watched, { onSignal }: CommandIo, signal: AbortSignal,
  onChange: (finish: () => void) => void
): Promise<number> {
  const ends: Array<() => void> = []
  try {
    return await new Promise<number>((resolve, reject) => {
      const finish = (): void => { resolve(OK) }
      const look = (): void => {
        onChange(finish)
        const { status, error } = query.state
        if (client.state.value === 'refused') {
          reject(new Error(withAdvice(client.state.error as NoexClientError, hasLogin)))
        } else if (status === 'error') {
          reject(new QueryError(`${error?.code}: ${withoutCall(error?.message ?? '')}`))
        }
      }
      ends.push(query.subscribe(look), client.state.subscribe(look))
      const stop = onSignal?.(name => { resolve(codeOf(name)) })
      if (stop !== undefined) ends.push(stop)
      signal.addEventListener('abort', finish, { once: true })
      if (signal.aborted) finish()
      look()
    })
  } finally {
    for (const end of ends) end()
  }
}

async function watchInLines (
  watched: Watched, io: CommandIo, signal: AbortSignal, output: Output, errors: Output, isPretty: boolean
): Promise<number> {
  const { client, query } = watched
  let left = watched.count
  let shown: unknown
  let isBusy = false
  let isLost = false
  const write = (finish: () => void): void => {
    if (isBusy || left === 0 || query.status !== 'live' || query.state.data === shown) return
    shown = query.state.data
    isBusy = true
    const text = isPretty
      ? `${linesOf(shown, { width: widthOfTerminal(io), colour: false }).join('\n')}\n`
      : jsonText(shown)
    output.line(text).then(() => {
      isBusy = false
      left -= 1
      if (left === 0) finish()
      else write(finish)
    })
  }
  return await follow(watched, io, signal, finish => {
    write(finish)
    const { value, error } = client.state
    if (isLost ? value !== 'open' : value !== 'waiting') return
    isLost = !isLost
    const text = isLost ? `the connection is lost: ${error?.message ?? ''}` : 'the connection is back'
    errors.push(`fastify-noex: ${escapeText(text)}`)
  })
}

async function watchOnScreen (
  watched: Watched, io: CommandIo, signal: AbortSignal, colour: boolean
): Promise<number> {
  const { client, query, title } = watched
  const screen = new Screen(io, (width, height) => {
    const { data, status } = query.state
    const rows = Array.isArray(data) ? `, ${data.length} rows` : ''
    const state = stateOf(client, status)
    const head = fit(`${jsonText(title).slice(1, -1)}${rows}, ${state}`, width)
    // Head, an empty line, titles, the two notes of a table.
    const space = { width, colour, maxRows: Math.max(1, height - 5) }
    const lines = data === undefined ? [] : linesOf(data, space)
    return [paint(head, status === 'live' ? 32 : 33, colour), '', ...lines]
  })
  let timer: NodeJS.Timeout | undefined
  const update = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      screen.update()
    }, FRAME_MS)
  }
  let shown: unknown
  let left = watched.count
  try {
    return await follow(watched, io, signal, finish => {
      update()
      if (query.status !== 'live' || query.state.data === shown) return
      shown = query.state.data
      left -= 1
      if (left === 0) finish()
    })
  } finally {
    clearTimeout(timer)
    screen.close()
  }
}

function stateOf ({ state: { value, error } }: Client, status: string): string {
  if (status === 'live' || value === 'open') return status
  return fit(escapeText(`${status}; ${value}: ${error?.message ?? ''}`), 200)
}
