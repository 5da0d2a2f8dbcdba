import { createInterface } from 'node:readline'
import type { Client, NoexClientError } from '../../client/index.js'
import { BAD, codeOf, FAILED, OK, runCommand, UsageError, type CommandIo } from '../command.js'
import { readLogin, serverHelp, serverOptions } from '../login.js'
import { escapeText, paint, type EntryStyle, type Output } from '../print.js'
import { connected, openClient, withAdvice } from '../server-connection.js'
import { linesOf } from '../table.js'
import { widthOfTerminal } from '../terminal.js'
import { fit, jsonText } from '../values.js'
import { Completion } from './completion.js'
import { History, historyFile } from './history.js'
import { Bounded, LatestOf } from './pace.js'
import { Prompt } from './prompt.js'
import { Session } from './session.js'

const help = `Usage: fastify-noex connect [options] URL

A prompt for a server. A line is a request, with one JSON object or NAME=VALUE each; Tab completes operations,
members, buckets, queries and procedures; the arrows go through the lines of before, also of other days:

  noex> store.where bucket=orders filter={"status":"new"}
  noex> .watch open-orders

.watch shows a live query and .events the events of rules, above the prompt, as they come; .help has the rest.
Ctrl-C gives up a request or clears the line; twice, or Ctrl-D, leaves. Lines with the words password, secret
or token, and those that begin with a blank, are not remembered.

From a pipe it takes requests line by line, and prints each result as one line of JSON.

${serverHelp}

Options:
  --json      print results as JSON
  --pretty    print results for people
  -h, --help  print this

NOEX_HISTORY names the file of the lines of before; empty for none.

Exit codes: 0 left, or all lines done; 1 a line of a pipe was refused; 2 wrong usage, or no server; 143
SIGTERM, 129 the terminal has gone.`

/** Rows of each state of a live query that are shown. */
const LIVE_ROWS = 10

/** `fastify-noex connect`. Resolves with the exit code. */
export async function connect (args: readonly string[], io: CommandIo): Promise<number> {
  return await runCommand({
    help,
    argument: 'URL',
    options: serverOptions,
    async run ({ values, files: [url, another], output, errors, style, signal }) {
      if (another !== undefined) throw new UsageError('connect takes one URL')
      if (io.stdin === undefined) throw new UsageError('there is no input to read')
      const login = await readLogin(values, io)
      const client = openClient({ url, login, ca: values.ca })
      const end = new AbortController()
      let code: number | undefined
      const off = io.onSignal?.(name => {
        code = codeOf(name)
        end.abort()
      })
      signal.addEventListener('abort', () => { end.abort() }, { once: true })
      try {
        await connected(client).catch((error: NoexClientError) => {
          throw new Error(withAdvice(error, login !== undefined))
        })
        const stop = client.state.subscribe(() => {
          if (client.state.value === 'refused') end.abort()
        })
        const isPrompt = io.stdin.isTTY === true && io.isTTY
        const ended = isPrompt
          ? await ask(client, io, style, end.signal)
          : await answerLines(client, io, output, errors, style, end.signal)
        stop()
        if (code === undefined && client.state.value === 'refused') {
          throw new Error(withAdvice(client.state.error as NoexClientError, login !== undefined))
        }
        return code ?? ended
      } finally {
        off?.()
        client.close()
      }
    }
  }, args, io)
}

/** Answers the lines of a pipe, one after the other. Resolves with the exit code. */
async function answerLines (
  client: Client, io: CommandIo, output: Output, errors: Output, style: EntryStyle, signal: AbortSignal
): Promise<number> {
  let code = OK
  const session = new Session(client, {
    async result (data) {
      const space = { width: widthOfTerminal(io), colour: style.colour }
      for (const line of style.pretty ? linesOf(data, space) : [jsonText(data)]) await output.line(line)
    },
    async error (text) { await errors.line(`fastify-noex: ${text}`) },
    live () {},
    event () {}
  })
  const reader = createInterface({ input: io.stdin as NonNullable<CommandIo['stdin']>, signal })
  for await (const line of reader) {
    if (/^\s*\.(watch|events)/.test(line)) throw new UsageError('.watch and .events need a terminal: see watch')
    const outcome = await session.run(line)
    if (outcome === 'refused') code = client.state.value === 'open' ? Math.max(code, BAD) : FAILED
    if (outcome === 'exit' || signal.aborted) break
  }
  reader.close()
  return code
}

/** Asks at the terminal until the user leaves. Resolves with the exit code. */
async function ask (client: Client, io: CommandIo, style: EntryStyle, signal: AbortSignal): Promise<number> {
  const { operations } = await import('../../operations/registry.js')
  const members = [...operations.values()].map(({ name, request }): [string, string[]] =>
    [name, Object.keys(request.properties)])
  const completion = new Completion(client, new Map(members))
  const format = (data: unknown, maxRows?: number): string => style.pretty
    ? linesOf(data, {
      width: widthOfTerminal(io), colour: style.colour, ...(maxRows !== undefined && { maxRows })
    }).join('\n')
    : jsonText(data)
  const bad = (text: string): string => paint(text, 31, style.colour)
  const live = new LatestOf((title, data) => {
    prompt.print(`${paint(title, 32, style.colour)}\n${format(data, LIVE_ROWS)}`)
  })
  const events = new Bounded(left => { prompt.print(bad(`… and ${left} more events`)) })
  const session = new Session(client, {
    async result (data) { prompt.print(format(data)) },
    async error (text) { prompt.print(text.startsWith('OPERATION ') ? text : bad(text)) },
    live: (title, data) => { live.set(title, data) },
    event (title, topic, data) {
      events.add(() => {
        const line = fit(`${title} ${escapeText(topic.slice(0, 100))} ${jsonText(data)}`, widthOfTerminal(io))
        prompt.print(paint(line, 32, style.colour))
      })
    }
  })
  const prompt = new Prompt(io, {
    async onLine (line) {
      const outcome = await session.run(line)
      await completion.refreshAfter(line)
      return outcome !== 'exit'
    },
    onInterrupt: () => session.abort()
  }, completion, new History(historyFile(io.env)))
  let isLost = false
  const stop = client.state.subscribe(() => {
    const { value, error } = client.state
    if (isLost ? value !== 'open' : value !== 'waiting') return
    isLost = !isLost
    prompt.print(isLost
      ? bad(`the connection is lost: ${escapeText(error?.message ?? '')}`)
      : 'the connection is back')
    if (!isLost) completion.refresh()
  })
  signal.addEventListener('abort', () => { prompt.close() }, { once: true })
  if (signal.aborted) prompt.close()
  completion.refresh()
  try {
    await prompt.run()
    return OK
  } finally {
    stop()
    live.close()
    events.close()
    session.close()
    prompt.close()
  }
}
