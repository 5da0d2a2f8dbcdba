#!/usr/bin/env node
import { auditQuery } from './audit-query.js'
import { auditTail } from './audit-tail.js'
import { auditVerify } from './audit-verify.js'
import { FAILED, OK, type CommandFunction, type CommandIo } from './command.js'
import { importCommand } from './import.js'
import { Output, escapeText } from './print.js'
import { storeBackup } from './store-backup.js'
import { storeCompact } from './store-compact.js'
import { storeRestore } from './store-restore.js'
import { storeVerify } from './store-verify.js'
import { types } from './types.js'

/** The commands: name of one or two words, one line of help, function. */
const commands: ReadonlyArray<readonly [name: string, help: string, run: CommandFunction]> = [
  ['audit tail', 'print the last entries of an audit trail, and follow it', auditTail],
  ['audit query', 'print the entries that match', auditQuery],
  ['audit verify', 'check that nothing has been changed, removed or added', auditVerify],
  ['backup', "copy a store's log into one file, also beside its server", storeBackup],
  ['restore', "make a store's directory out of a backup", storeRestore],
  ['verify', "check the files of a store's log, also beside its server", storeVerify],
  ['compact', "remove what was deleted from the files of a store's log", storeCompact],
  ['import', 'turn the files of an earlier version into the log of a durable store', importCommand],
  ['types', 'write the types of a server for the clients of programs without its source', types]
]

const help = `Usage: fastify-noex COMMAND [options] ARGUMENT...

Commands:
${commands.map(([name, line]) => `  ${name.padEnd(14)}${line}`).join('\n')}

Add --help to a command to see its options.`

const { stdout, stderr, env } = process
process.exitCode = await main(process.argv.slice(2), { stdout, stderr, isTTY: Boolean(stdout.isTTY), env })

async function main (args: readonly string[], io: CommandIo): Promise<number> {
  for (const [name, , run] of commands) {
    const words = name.split(' ')
    if (words.every((word, i) => args[i] === word)) return await run(args.slice(words.length), io)
  }
  const isGroup = commands.some(([name]) => name.startsWith(`${args[0]} `))
  const word = args[isGroup ? 1 : 0]
  if (word === '--help' || word === '-h') {
    await new Output(io.stdout).line(help)
    return OK
  }
  const wrong = args.slice(0, isGroup ? 2 : 1).join(' ')
  const problem = word === undefined ? 'a command is missing' : `there is no command ${wrong}`
  await new Output(io.stderr).line(`fastify-noex: ${escapeText(problem)}\nAdd --help to see the commands.`)
  return FAILED
}
