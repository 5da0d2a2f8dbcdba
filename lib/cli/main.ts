#!/usr/bin/env node
import { auditQuery } from './audit-query.js'
import { auditTail } from './audit-tail.js'
import { auditVerify } from './audit-verify.js'
import { FAILED, OK, type CommandIo } from './command.js'
import { Output, escapeText } from './print.js'

const help = `Usage: fastify-noex audit COMMAND [options] FILE...

Commands:
  audit tail    print the last entries of an audit trail, and follow it
  audit query   print the entries that match
  audit verify  check that nothing has been changed, removed or added

Add --help to a command to see its options.`

const commands = new Map([['tail', auditTail], ['query', auditQuery], ['verify', auditVerify]])

const { stdout, stderr, env } = process
process.exitCode = await main(process.argv.slice(2), { stdout, stderr, isTTY: Boolean(stdout.isTTY), env })

async function main ([group, name, ...args]: readonly string[], io: CommandIo): Promise<number> {
  const command = group === 'audit' ? commands.get(name ?? '') : undefined
  if (command !== undefined) return await command(args, io)
  const word = group === 'audit' ? name : group
  if (word === '--help' || word === '-h') {
    await new Output(io.stdout).line(help)
    return OK
  }
  const problem = word === undefined ? 'a command is missing' : `there is no command ${[group, name].join(' ').trim()}`
  await new Output(io.stderr).line(`fastify-noex: ${escapeText(problem)}\nAdd --help to see the commands.`)
  return FAILED
}
