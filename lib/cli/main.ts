#!/usr/bin/env node
import { FAILED, OK, type CommandFunction, type CommandIo } from './command.js'
import { Output, escapeText } from './print.js'

/** The commands: name of one or two words, one line of help, and what loads the function. */
const commands: ReadonlyArray<readonly [name: string, help: string, load: () => Promise<CommandFunction>]> = [
  ['demo', 'run the order desk, the example: a page that is live in two windows',
    async () => (await import('./demo.js')).demo],
  ['serve', 'run a server without code, by a configuration file',
    async () => (await import('./serve/serve.js')).serve],
  ['connect', 'a prompt for requests and live queries',
    async () => (await import('./connect/connect.js')).connect],
  ['call', 'send one request', async () => (await import('./call.js')).call],
  ['watch', 'show a live query', async () => (await import('./watch.js')).watch],
  ['types', 'write the types of a server for the clients of programs without its source',
    async () => (await import('./types.js')).types],
  ['audit tail', 'print the last entries of an audit trail, and follow it',
    async () => (await import('./audit-tail.js')).auditTail],
  ['audit query', 'print the entries that match', async () => (await import('./audit-query.js')).auditQuery],
  ['audit verify', 'check that nothing has been changed, removed or added',
    async () => (await import('./audit-verify.js')).auditVerify],
  ['backup', "copy a store's log into one file, also beside its server",
    async () => (await import('./store-backup.js')).storeBackup],
  ['restore', "make a store's directory out of a backup",
    async () => (await import('./store-restore.js')).storeRestore],
  ['verify', "check the files of a store's log, also beside its server",
    async () => (await import('./store-verify.js')).storeVerify],
  ['compact', "remove what was deleted from the files of a store's log",
    async () => (await import('./store-compact.js')).storeCompact],
  ['import', 'turn the files of an earlier version into the log of a durable store',
    async () => (await import('./import.js')).importCommand]
]

/** The commands that log in to a server. */
const clients = ['connect', 'call', 'watch', 'types']

const help = `Usage: fastify-noex COMMAND [options] ARGUMENT...

Commands:
${commands.map(([name, line]) => `  ${name.padEnd(14)}${line}`).join('\n')}

Add --help to a command to see its options.`

const { stdout, stderr, env } = process
const isTTY = Boolean(stdout.isTTY)
process.exitCode = await main(process.argv.slice(2), {
  // Not opened before it is needed: a process that has it waits for its end.
  get stdin () { return process.stdin },
  stdout,
  stderr,
  isTTY,
  env,
  onSignal
})

async function main (args: readonly string[], io: CommandIo): Promise<number> {
  for (const [name, , load] of commands) {
    const words = name.split(' ')
    if (!words.every((word, i) => args[i] === word)) continue
    // Their arguments may be secrets: the list of processes does not show them any longer.
    if (clients.includes(name)) process.title = `fastify-noex ${name}`
    const run = await load()
    return await run(args.slice(words.length), io)
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

function onSignal (
  listener: (name: NodeJS.Signals) => void, names: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']
): () => void {
  for (const name of names) process.on(name, listener)
  return () => { for (const name of names) process.off(name, listener) }
}
