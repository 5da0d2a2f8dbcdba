import { verifyLog, type LogReport } from '@hamicek/noex-store/tools'
import { BAD, OK, runCommand, UsageError, type CommandIo } from './command.js'
import { escapeText, formatTime, paint, type EntryStyle } from './print.js'

const help = `Usage: fastify-noex verify [options] DIRECTORY

Checks the files of a store's log: every line, that the revisions follow one another, and that snapshots
and commits agree. Reads only, takes no lock, and may run beside the server.

Options:
  --json      print one JSON object, as in a pipe
  --pretty    print for people, as on a terminal
  -h, --help  print this

Exit codes: 0 the log is good, 1 something is wrong, 2 wrong usage, or there is no log to read.`

/** `fastify-noex verify`. Resolves with the exit code. */
export async function storeVerify (args: readonly string[], io: CommandIo): Promise<number> {
  return await runCommand({
    help,
    options: {},
    async run ({ files: [directory, another], output, style }) {
      if (another !== undefined) throw new UsageError('verify takes one directory')
      const report = await verifyLog(directory)
      await output.line(style.pretty ? formatReport(report, style) : JSON.stringify(report))
      return report.ok ? OK : BAD
    }
  }, args, io)
}

function formatReport (report: LogReport, { colour }: EntryStyle): string {
  const { ok, directory, isRunning, epoch, revision, oldestCommit, buckets, snapshots, backups } = report
  const { logBytes, tornBytes, asideBytes, faults } = report
  const verdict = ok ? paint('good', 32, colour) : paint('bad', 31, colour)
  const entries = Object.entries(buckets ?? {})
  const total = entries.reduce((sum, [, count]) => sum + count, 0)
  const commits = oldestCommit === 0 ? 'no commits' : `commits from ${oldestCommit} on`
  return [
    `${verdict}: ${escapeText(directory)}, revision ${revision}${isRunning ? ', a server has it open' : ''}`,
    ...faults.map(fault => `${paint('fault', 31, colour)}: ${escapeText(fault)}`),
    `history: ${escapeText(epoch ?? 'unknown')}`,
    `log: ${commits}, ${logBytes} bytes`,
    ...(tornBytes === 0 ? [] : [`end of the log that is half written: ${tornBytes} bytes`]),
    ...(asideBytes === 0 ? [] : [`ends that were moved to store.torn: ${asideBytes} bytes`]),
    ...snapshots.map(snapshot => `snapshot: revision ${snapshot.revision}, ${snapshot.bytes} bytes`),
    ...backups.map(({ name, createdAt, ...backup }) => (
      `backup: ${escapeText(name)}, ${formatTime(createdAt)}, revision ${backup.revision}, ` +
      `${backup.bytes} bytes`
    )),
    ...(buckets === undefined ? [] : [`buckets: ${entries.length}, records: ${total}`]),
    ...entries.map(([name, count]) => `  ${escapeText(name).padEnd(24)} ${count}`)
  ].join('\n')
}
