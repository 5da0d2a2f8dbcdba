import { importDirectory, type ImportReport } from '@hamicek/noex-store/tools'
import { OK, runCommand, UsageError, type CommandIo } from './command.js'
import { escapeText } from './print.js'

const help = `Usage: fastify-noex import [options] DIRECTORY

Turns a folder of FileAdapter, of fastify-noex 0.1 or of noex-server, into the log of a durable store. Stop
the server first. The old files are moved to a folder before-import beside the log. The definitions of the
buckets come from the program: the first defineBucket of each. After a crash, the same command again finishes.

Options:
  --into OTHER      write the log to another folder, which is empty or missing, and leave the old files alone;
                    it may be inside DIRECTORY, but neither that itself nor one above it
  --store NAME      the store whose buckets are imported, where the folder has several; needs --into
  --rename OLD=NEW  give a bucket another name, repeatable: files of noex-server have _ for other characters
  --json            print one JSON object, as in a pipe
  --pretty          print for people, as on a terminal
  -h, --help        print this

Exit codes: 0 done, or done before; 2 refused, with the reason: then nothing has changed.`

const options = {
  into: { type: 'string' },
  store: { type: 'string' },
  rename: { type: 'string', multiple: true }
} as const

/** `fastify-noex import`. Resolves with the exit code. */
export async function importCommand (args: readonly string[], io: CommandIo): Promise<number> {
  return await runCommand({
    help,
    options,
    async run ({ values: { into, store, rename = [] }, files, output, style }) {
      const [directory, another] = files
      if (another !== undefined) throw new UsageError('import takes one folder')
      if (into === '') throw new UsageError('--into takes a folder')
      const report = await importDirectory({ directory, into, store, rename: new Map(rename.map(readPair)) })
      await output.line(style.pretty ? formatReport(report) : JSON.stringify(report))
      return OK
    }
  }, args, io)
}

function readPair (text: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1 || at === text.length - 1) throw new UsageError('--rename takes OLD=NEW')
  return [text.slice(0, at), text.slice(at + 1)]
}

function formatReport ({ directory, store, buckets, setAside, left }: ImportReport): string {
  if (store === undefined) return `Nothing is left to import: ${escapeText(directory)} has a log.`
  const records = buckets.reduce((sum, { records }) => sum + records, 0)
  const width = Math.max(...buckets.map(({ name }) => escapeText(name).length))
  const counts = `${buckets.length} buckets with ${records} records`
  return [
    `Store "${escapeText(store)}": ${counts} are in the log in ${escapeText(directory)} now.`,
    ...buckets.map(({ name, records }) => `  ${escapeText(name).padEnd(width)}  ${records}`),
    `The old files are ${setAside === undefined ? 'where they were' : `in ${escapeText(setAside)}`}.`,
    ...(left.length === 0 ? [] : [`Left alone: ${left.map(escapeText).join(', ')}`])
  ].join('\n')
}
