import { writeFile } from 'node:fs/promises'
import type { NoexClientError } from '../client/index.js'
import { OK, UsageError, runCommand, type CommandIo } from './command.js'
import { readLogin, serverHelp, serverOptions } from './login.js'
import { connected, openClient, shownUrl, withAdvice, type ServerAddress } from './server-connection.js'
import { moduleText } from './typescript/module-text.js'

const help = `Usage: fastify-noex types [options] URL

Writes the types of a server as a TypeScript module: its buckets, queries, procedures, and the operations of
its application, as far as the user may use them. A client takes them by

  const client = createClient<Schema, Operations>(url)

Programs that can import the server's own types need no such module. URL is that of the WebSocket, for
instance wss://example.com/live.

${serverHelp}

Options:
  --out FILE         write to FILE instead of printing
  -h, --help         print this

Exit codes: 0 done, 2 wrong usage, or the server cannot be asked.`

const options = { ...serverOptions, out: { type: 'string' } } as const

/** `fastify-noex types`. Resolves with the exit code. */
export async function types (args: readonly string[], io: CommandIo): Promise<number> {
  return await runCommand({
    help,
    argument: 'URL',
    options,
    async run ({ values, files: [url, another], output }) {
      if (another !== undefined) throw new UsageError('types takes one URL')
      const login = await readLogin(values, io)
      const text = moduleText(await describe({ url, login, ca: values.ca }), shownUrl(url))
      if (values.out === undefined) await output.line(text.trimEnd())
      else await writeFile(values.out, text)
      return OK
    }
  }, args, io)
}

/** Asks a server for what its clients may use. @throws where it cannot be asked, with what to do about it */
async function describe (address: ServerAddress): Promise<unknown> {
  const client = openClient(address)
  try {
    await connected(client)
    return await client.request('server.describe')
  } catch (error) {
    const reason = client.state.error ?? error as NoexClientError
    throw new Error(withAdvice(reason, address.login !== undefined))
  } finally {
    client.close()
  }
}
