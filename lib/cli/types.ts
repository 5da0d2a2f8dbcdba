import { readFile, writeFile } from 'node:fs/promises'
import { WebSocket } from 'ws'
import { createClient, type Client, type NoexClientError } from '../client/index.js'
import { OK, UsageError, runCommand, type CommandIo } from './command.js'
import { moduleText } from './typescript/module-text.js'

const help = `Usage: fastify-noex types [options] URL

Writes the types of a server as a TypeScript module: its buckets, queries, procedures, and the operations of
its application, as far as the user may use them. A client takes them by

  const client = createClient<Schema, Operations>(url)

Programs that can import the server's own types need no such module. URL is that of the WebSocket, for
instance wss://example.com/live. Where a login is needed, its token is read from the environment variable
NOEX_TOKEN or from a file: an argument would be seen in the list of processes.

Options:
  --out FILE         write to FILE instead of printing
  --token-file FILE  the file with the token, instead of NOEX_TOKEN
  -h, --help         print this

Exit codes: 0 done, 2 wrong usage, or the server cannot be asked.`

const options = { out: { type: 'string' }, 'token-file': { type: 'string' } } as const

/** `fastify-noex types`. Resolves with the exit code. */
export async function types (args: readonly string[], io: CommandIo): Promise<number> {
  return await runCommand({
    help,
    argument: 'URL',
    options,
    async run ({ values, files: [url, another], output }) {
      if (another !== undefined) throw new UsageError('types takes one URL')
      const token = await readToken(values['token-file'], io)
      const text = moduleText(await describe(url, token), shownUrl(url))
      if (values.out === undefined) await output.line(text.trimEnd())
      else await writeFile(values.out, text)
      return OK
    }
  }, args, io)
}

/** Returns the token to log in with; `undefined` for none. */
async function readToken (file: string | undefined, { env }: CommandIo): Promise<string | undefined> {
  const text = file === undefined ? env['NOEX_TOKEN'] : await readFile(file, 'utf8')
  const token = text?.trim()
  if (file !== undefined && token === '') throw new UsageError(`--token-file: ${file} is empty`)
  return token === '' ? undefined : token
}

/** Returns the URL without a name, a password and a query, which may be secrets. */
function shownUrl (url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname}`
}

/** Asks a server for what its clients may use. @throws where it cannot be asked, with what to do about it */
async function describe (url: string, token: string | undefined): Promise<unknown> {
  const client = openClient(url, token)
  try {
    return await Promise.race([client.request('server.describe'), failure(client)])
  } catch (error) {
    throw new Error(withAdvice(client.state.error ?? error as NoexClientError, token !== undefined))
  } finally {
    client.close()
  }
}

function openClient (url: string, token: string | undefined): Client {
  try {
    return createClient(url, { WebSocket, ...(token !== undefined && { getToken: () => token }) })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/** Rejects when the first attempt to connect has failed. */
async function failure ({ state }: Client): Promise<never> {
  return await new Promise((_resolve, reject) => {
    state.subscribe(() => {
      if (state.value === 'waiting' || state.value === 'refused') reject(state.error)
    })
  })
}

function withAdvice ({ code, message }: NoexClientError, hasToken: boolean): string {
  switch (code) {
    case 'UNKNOWN_OPERATION':
      return 'the server is older than this command: update fastify-noex there'
    case 'UNAUTHORIZED':
      return hasToken
        ? 'the server does not accept the token: get a new one'
        : 'the server asks for a login: set NOEX_TOKEN or --token-file'
    case 'FORBIDDEN':
      return `the user of the token may not ask: ${message}`
    default:
      return message
  }
}
