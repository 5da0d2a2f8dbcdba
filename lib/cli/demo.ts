import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { createApp } from '../server.js'
import { runCommand, toPort, type CommandIo } from './command.js'
import { paint } from './print.js'
import { LogLines, noLog, type LogStream } from './serve/log-lines.js'
import { runUntilSignal, type RunningServer } from './serve/run-until-signal.js'

const help = `Usage: fastify-noex demo [options]

Runs the order desk, the example of fastify-noex, on this machine: a page that shows every change at once, in
all windows. It keeps everything in memory, and nothing on the disk. Ctrl-C drains it: pages are told, and
requests are answered; a second one ends it at once.

Options:
  --port N    TCP port; default: 8080, or a free one where that is taken
  --log       print the log of the server
  --json      print one line of JSON, as in a pipe
  --pretty    print for people, as on a terminal
  -h, --help  print this

Exit codes: 0 drained, 1 ended at once, 2 wrong usage, or no start.`

const options = { port: { type: 'string' }, log: { type: 'boolean', default: false } } as const

const HOST = '127.0.0.1'
const DEFAULT_PORT = 8080

/** `fastify-noex demo`. Resolves with the exit code. */
export async function demo (args: readonly string[], io: CommandIo): Promise<number> {
  return await runCommand({
    help,
    argument: null,
    options,
    async run ({ values, output, errors, style }) {
      const given = toPort(values.port)
      const log = values.log ? new LogLines(errors, style.pretty, style.colour) : noLog
      return await runUntilSignal(async () => {
        const port = given === undefined || given === 0 ? await freePort(given) : given
        const server = await startDesk(port, log)
        const [url, live] = [`http://localhost:${port}`, `ws://localhost:${port}/live`]
        await output.line(style.pretty
          ? [
              `The order desk is live: ${paint(url, 32, style.colour)}  Open it in two windows.`,
              '',
              `In another terminal:  npx fastify-noex watch ${live} open-orders`,
              `                      npx fastify-noex connect ${live}`,
              '',
              'Ctrl-C ends it.'
            ].join('\n')
          : JSON.stringify({ url, live }))
        return server
      }, io, { isHangUpIgnored: false })
    }
  }, args, io)
}

async function startDesk (port: number, log: LogStream): Promise<RunningServer> {
  const [{ orderDesk }, { openStore }] = await Promise.all(
    [import('../../example-app/app.js'), import('../../example-app/store.js')]
  )
  const { store, close } = await openStore()
  const app = createApp({ logger: { level: 'info', stream: log } })
  try {
    const allowedOrigins = [`http://localhost:${port}`, `http://${HOST}:${port}`]
    await app.register(orderDesk, { store, allowedOrigins, drainDelayMs: 0 })
    await app.listen({ port, host: HOST })
  } catch (error) {
    await app.close().catch(() => {})
    await close().catch(() => {})
    throw error
  }
  return {
    log: app.log,
    isDraining: () => app.noex.state !== 'serving',
    async stop () {
      await app.noex.drain()
      await app.close()
      await close()
    }
  }
}

/** Returns the first port where it is free, otherwise another one. Origins of pages have it in them. */
async function freePort (first = DEFAULT_PORT): Promise<number> {
  const server = createServer()
  try {
    await once(server.listen(first, HOST), 'listening')
    return (server.address() as AddressInfo).port
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || first === 0) throw error
    return await freePort(0)
  } finally {
    server.close()
  }
}
