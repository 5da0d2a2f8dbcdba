import { OK, runCommand, toPort, UsageError, type CommandIo } from '../command.js'
import { escapeText } from '../print.js'
import { readConfig } from './config-file.js'
import { LogLines, noLog } from './log-lines.js'
import { runUntilSignal, type RunningServer } from './run-until-signal.js'
import { serveConfig } from './served.js'

const help = `Usage: fastify-noex serve [options] -c FILE

Runs a server without code. FILE is JSON: port, host, store, buckets, queries and rules, and every option of
the plugin that is data, such as auth, audit, routes and rateLimit; docs/command-line.md has them all. Paths
start from its folder. A secret is { "$env": "NAME" } or { "$file": "PATH" }, and not in it.

SIGTERM and Ctrl-C drain: clients are sent away, and everything is saved; a second signal ends it at once.
SIGHUP rereads nothing: a new configuration needs a restart.

Options:
  -c, --config FILE  the configuration
  --port N           TCP port, in place of that of FILE; 0 lets the system choose
  --host ADDRESS     address to listen on, in place of that of FILE
  --check            only check FILE: nothing listens, and no store is opened
  --json             print the log as JSON, as in a pipe
  --pretty           print the log for people, as on a terminal
  -h, --help         print this

Exit codes: 0 drained, or FILE is right; 1 something could not be saved, or a second signal; 2 wrong usage, a
wrong FILE, or no start.`

const options = {
  config: { type: 'string', short: 'c' },
  port: { type: 'string' },
  host: { type: 'string' },
  check: { type: 'boolean', default: false }
} as const

/** `fastify-noex serve`. Resolves with the exit code. */
export async function serve (args: readonly string[], io: CommandIo): Promise<number> {
  return await runCommand({
    help,
    argument: null,
    options,
    async run ({ values, output, style }) {
      if (values.config === undefined) throw new UsageError('-c FILE is missing')
      const port = toPort(values.port)
      const config = readConfig(values.config, io.env)
      const log = new LogLines(output, style.pretty, style.colour)
      // Everything is tried without a disk before: a wrong file leaves no trace.
      const tried = await serveConfig(config, { log: noLog, isCheck: true })
      await tried.stop()
      if (values.check) {
        await output.line(style.pretty ? `${escapeText(config.name)} is right` : JSON.stringify({ ok: true }))
        return OK
      }
      const start = async (): Promise<RunningServer> =>
        await serveConfig(config, { log, port, host: values.host })
      return await runUntilSignal(start, io, { isHangUpIgnored: true })
    }
  }, args, io)
}
