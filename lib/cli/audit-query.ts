import type { SealedEntry } from '../audit/chain/chain.js'
import { isOfUser } from '../audit/entry.js'
import { readTrail } from '../audit/file/trail-reader.js'
import { OK, UsageError, runCommand, toInteger, type CommandIo } from './command.js'

const help = `Usage: fastify-noex audit query [options] FILE...

Prints the entries of an audit trail that match all options, oldest first. A FILE like audit.jsonl stands for
its whole trail; otherwise name the segments to search, in any order. Hashes are not checked: see audit
verify.

Options:
  --user NAME|ID    entries of this user, by the name or the id
  --operation NAME  entries of this operation
  --resource R      entries that concern this resource
  --result RESULT   success or error
  --from TIME       entries from this time on; epoch milliseconds or ISO 8601
  --to TIME         entries up to and with this time
  --limit N         at most the first N entries that match
  --json            print the stored lines, as in a pipe
  --pretty          print for people, as on a terminal
  -h, --help        print this

Exit codes: 0 done, 2 wrong usage or unreadable file.`

const options = {
  user: { type: 'string' },
  operation: { type: 'string' },
  resource: { type: 'string' },
  result: { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
  limit: { type: 'string' }
} as const

type Values = { readonly [Name in keyof typeof options]?: string | undefined }

/** `fastify-noex audit query`. Resolves with the exit code. */
export async function auditQuery (args: readonly string[], io: CommandIo): Promise<number> {
  return await runCommand({
    help,
    options,
    async run ({ values, files, printer, signal }) {
      let left = values.limit === undefined ? Infinity : toInteger('--limit', values.limit, 1)
      for await (const item of readTrail(files, { filter: toFilter(values) })) {
        if (signal.aborted) break
        await printer.print(item)
        if (item.entry !== undefined) left -= 1
        if (left === 0) break
      }
      return OK
    }
  }, args, io)
}

function toFilter ({ user, operation, resource, result, from, to }: Values): (entry: SealedEntry) => boolean {
  if (result !== undefined && result !== 'success' && result !== 'error') {
    throw new UsageError('--result takes success or error')
  }
  const start = from === undefined ? -Infinity : toTime('--from', from)
  const end = to === undefined ? Infinity : toTime('--to', to)
  return entry =>
    (user === undefined || isOfUser(entry, user)) &&
    (operation === undefined || entry.operation === operation) &&
    (resource === undefined || entry.resource === resource) &&
    (result === undefined || entry.result === result) &&
    entry.timestamp >= start && entry.timestamp <= end
}

const isoTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?)?$/

/** Parses a time. Without a zone it is local time; a date alone is the start of the day in UTC. */
function toTime (option: string, text: string): number {
  const time = /^\d{1,15}$/.test(text) ? Number(text) : isoTime.test(text) ? Date.parse(text) : NaN
  if (Number.isNaN(time)) {
    throw new UsageError(`${option} takes epoch milliseconds or a time like 2026-01-31T12:00:00Z`)
  }
  return time
}
