import { compactLog } from '@hamicek/noex-store/tools'
import { OK, runCommand, UsageError, type CommandIo } from './command.js'
import { escapeText } from './print.js'

const help = `Usage: fastify-noex compact [options] DIRECTORY

Writes the newest state of a store that is stopped, and removes all older files of its log: records that
were deleted are nowhere in them any more. Of deleted keys the key and the version stay, and backups stay
as they are. History and revisions go on.

After a crash of a service with an audit trail, start the service once and stop it before: the log keeps
entries that the trail may not have yet. Until then it is refused.

Options:
  --force     do it nevertheless: entries that a crash has taken from the trail are lost
  --json      print one JSON object, as in a pipe
  --pretty    print for people, as on a terminal
  -h, --help  print this

Exit codes: 0 done, 2 wrong usage, or not done. When it was killed, run it again: with
--force where the log has entries for a trail, and the service had stopped in order before.`

const options = { force: { type: 'boolean', default: false } } as const

/** `fastify-noex compact`. Resolves with the exit code. */
export async function storeCompact (args: readonly string[], io: CommandIo): Promise<number> {
  return await runCommand({
    help,
    options,
    async run ({ values, files: [directory, another], output, style }) {
      if (another !== undefined) throw new UsageError('compact takes one directory')
      const report = await compactLog(directory, values.force)
      const { revision, bytesBefore, bytesAfter, backups } = report
      const sizes = `${bytesBefore} bytes before, ${bytesAfter} now`
      const kept = backups === 0 ? '' : `; backups that stay as they are: ${backups}`
      await output.line(style.pretty
        ? `${escapeText(directory)}: revision ${revision}, ${sizes}${kept}`
        : JSON.stringify(report))
      return OK
    }
  }, args, io)
}
