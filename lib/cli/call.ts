import type { Readable } from 'node:stream'
import type { NoexClientError } from '../client/index.js'
import { BAD, OK, runCommand, toInteger, UsageError, type CommandIo } from './command.js'
import { readLogin, serverHelp, serverOptions } from './login.js'
import { membersOf, objectOf } from './members.js'
import { escapeText } from './print.js'
import { connected, isRefusal, openClient, withAdvice } from './server-connection.js'
import { linesOf } from './table.js'
import { widthOfTerminal } from './terminal.js'
import { jsonText } from './values.js'

const help = `Usage: fastify-noex call [options] URL OPERATION [MEMBERS]

Sends one request to a server and prints the result: any operation of PROTOCOL.md, or of the application. URL
is that of the WebSocket. MEMBERS are one JSON object, or NAME=VALUE each, with JSON or a text as value:

  fastify-noex call ws://localhost:8080/live store.get bucket=orders key=1
  fastify-noex call ws://localhost:8080/live store.insert - < insert.json

With - they are read from the input, where secrets are not seen by others.

${serverHelp}

Options:
  --timeout SECONDS  time to connect, and for the answer; default: 10
  --json             print one line of JSON, as in a pipe
  --pretty           print for people, as on a terminal
  -h, --help         print this

Exit codes: 0 done, 1 refused by the server, 2 wrong usage, or no answer.`

const options = { ...serverOptions, timeout: { type: 'string' } } as const

/** Longest time for an answer, in seconds. */
const MAX_TIMEOUT_S = 86_400
/** Bytes of the input that are read at most. */
const MAX_INPUT_BYTES = 67_108_864

/** `fastify-noex call`. Resolves with the exit code. */
export async function call (args: readonly string[], io: CommandIo): Promise<number> {
  return await runCommand({
    help,
    argument: 'URL',
    options,
    async run ({ values, files: [url, operation, ...words], output, errors, style }) {
      if (operation === undefined || operation === '') throw new UsageError('the operation is missing')
      const members = words.length === 1 && words[0] === '-' ? await readMembers(io) : membersOf(words)
      if ('type' in members || 'id' in members) throw new UsageError('type and id are not for you to give')
      const seconds = values.timeout === undefined ? undefined : toInteger('--timeout', values.timeout, 1)
      if (seconds !== undefined && seconds > MAX_TIMEOUT_S) {
        throw new UsageError(`--timeout takes at most ${MAX_TIMEOUT_S}`)
      }
      const login = await readLogin(values, io)
      const client = openClient({ url, login, ca: values.ca, timeoutMs: seconds && seconds * 1_000 })
      try {
        await connected(client).catch((error: NoexClientError) => {
          throw new Error(withAdvice(error, login !== undefined))
        })
        const data = await client.request(operation, members)
        const space = { width: widthOfTerminal(io), colour: style.colour }
        for (const line of style.pretty ? linesOf(data, space) : [jsonText(data)]) await output.line(line)
        return OK
      } catch (thrown) {
        const error = thrown as NoexClientError & { readonly outcome?: string }
        if (error.code === undefined || !isRefusal(error)) throw new Error(withOutcome(error))
        await errors.line(`fastify-noex: ${escapeText(`${error.code}: ${error.message}`)}`)
        if (error.details !== undefined) await errors.line(jsonText(error.details))
        return BAD
      } finally {
        client.close()
      }
    }
  }, args, io)
}

function withOutcome ({ message, outcome }: { readonly message: string, readonly outcome?: string }): string {
  return outcome === 'unknown' ? `${message}: it is not known whether it was done` : message
}

/** Reads a JSON object from the input, which ends. */
async function readMembers ({ stdin }: CommandIo): Promise<Record<string, unknown>> {
  if (stdin === undefined) throw new UsageError('there is no input to read')
  return objectOf(await textOf(stdin))
}

async function textOf (input: Readable): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of input) {
    const buffer = Buffer.from(chunk as Uint8Array)
    bytes += buffer.length
    if (bytes > MAX_INPUT_BYTES) throw new UsageError(`the input has more than ${MAX_INPUT_BYTES} bytes`)
    chunks.push(buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}
