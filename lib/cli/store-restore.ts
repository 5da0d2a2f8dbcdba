import { restoreLog } from '@hamicek/noex-store/tools'
import { OK, runCommand, UsageError, type CommandIo } from './command.js'
import { escapeText } from './print.js'

const help = `Usage: fastify-noex restore [options] FILE DIRECTORY

Makes the DIRECTORY of a store out of a backup. It has no log yet, nor a part of one. It is outside of
those of other stores, and not the folder of FILE. The store is a new history: revisions go on above that
of the backup, and clients that were connected begin anew.

Options:
  --json      print one JSON object, as in a pipe
  --pretty    print for people, as on a terminal
  -h, --help  print this

Exit codes: 0 done, 2 wrong usage, or not done. When it was killed, run it again.`

/** `fastify-noex restore`. Resolves with the exit code. */
export async function storeRestore (args: readonly string[], io: CommandIo): Promise<number> {
  return await runCommand({
    help,
    options: {},
    async run ({ files: [file, directory, another], output, style }) {
      if (directory === undefined || another !== undefined) {
        throw new UsageError('restore takes a file and a directory')
      }
      const report = await restoreLog(file, directory)
      const { revision, buckets, records } = report
      await output.line(style.pretty
        ? `${escapeText(directory)}: revision ${revision}, buckets: ${buckets}, records: ${records}`
        : JSON.stringify({ directory, ...report }))
      return OK
    }
  }, args, io)
}
