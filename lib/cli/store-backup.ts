import { AFTER_CRASH, backupLog } from '@hamicek/noex-store/tools'
import { OK, runCommand, UsageError, type CommandIo } from './command.js'
import { escapeText, Output } from './print.js'

const help = `Usage: fastify-noex backup [options] DIRECTORY FILE

Copies the newest durable state of a store's log into one file. Takes no lock, and may run beside the
server. Buckets with persistent: false or ephemeral: true are empty in it. Takes as much memory as the
store. FILE is outside of DIRECTORY and of that of every other store. After a crash of a service with an
audit trail it warns: entries that the trail may not have yet are in the log alone, and in no backup. Start
the service once, so that the trail gets them.

Options:
  --force     replace a FILE that is there, which must be a backup, or empty
  --json      print one JSON object, as in a pipe
  --pretty    print for people, as on a terminal
  -h, --help  print this

Exit codes: 0 done, 2 wrong usage, or not done: then no FILE was written.`

const options = { force: { type: 'boolean', default: false } } as const

/** `fastify-noex backup`. Resolves with the exit code. */
export async function storeBackup (args: readonly string[], io: CommandIo): Promise<number> {
  return await runCommand({
    help,
    options,
    async run ({ values, files: [directory, file, another], output, style }) {
      if (file === undefined || another !== undefined) {
        throw new UsageError('backup takes a directory and a file')
      }
      const report = await backupLog(directory, file, values.force)
      const { revision, buckets, records, bytes, afterCrash } = report
      if (afterCrash) {
        await new Output(io.stderr).line(`fastify-noex: ${escapeText(directory)}: ${AFTER_CRASH}; ` +
          'they are in no backup: start the service once, so that the trail gets them')
      }
      const holds = `revision ${revision}, buckets: ${buckets}, records: ${records}, ${bytes} bytes`
      await output.line(style.pretty
        ? `${escapeText(file)}: ${holds}`
        : JSON.stringify(report))
      return OK
    }
  }, args, io)
}
