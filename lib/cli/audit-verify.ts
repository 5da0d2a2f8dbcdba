import { readFile } from 'node:fs/promises'
import { verifyTrail, type VerifyResult } from '../audit/verify.js'
import { BAD_TRAIL, OK, runCommand, type CommandIo } from './command.js'
import { escapeText, paint, type EntryStyle } from './print.js'

const help = `Usage: fastify-noex audit verify [options] FILE...

Checks that nothing in an audit trail has been changed, removed or added. A FILE like audit.jsonl stands for its
whole trail; otherwise name all segments, in any order.

Options:
  --public-key PEM_FILE  Ed25519 public key: every checkpoint must be signed with its private key
  --checkpoints FILE     checkpoints to compare with, repeatable; default: the .checkpoints files beside FILE
  --json                 print one JSON object, as in a pipe
  --pretty               print for people, as on a terminal
  -h, --help             print this

Exit codes: 0 the trail is good, 1 it is bad, 2 wrong usage or unreadable file.`

const options = {
  'public-key': { type: 'string' },
  checkpoints: { type: 'string', multiple: true }
} as const

/** `fastify-noex audit verify`. Resolves with the exit code. */
export async function auditVerify (args: readonly string[], io: CommandIo): Promise<number> {
  return await runCommand({
    help,
    options,
    async run ({ values, files, output, style }) {
      const keyFile = values['public-key']
      const publicKey = keyFile === undefined ? undefined : await readFile(keyFile, 'utf8')
      const result = await verifyTrail({ files, publicKey, checkpoints: values.checkpoints })
      await output.line(style.pretty ? formatResult(result, style) : JSON.stringify(result))
      return result.ok ? OK : BAD_TRAIL
    }
  }, args, io)
}

function formatResult (result: VerifyResult, { colour }: EntryStyle): string {
  if (!result.ok) {
    const { file, line, seq, problem } = result
    const entry = seq === undefined ? '' : `, entry ${seq}`
    return `${paint('bad', 31, colour)}: ${escapeText(file)}, line ${line}${entry}: ${escapeText(problem)}`
  }
  const { entries, firstSeq, lastSeq, lastHash, checkpoints, sinceCheckpoint, warnings } = result
  return [
    `${paint('good', 32, colour)}: ${entries} entries, ${firstSeq} to ${lastSeq}`,
    `last hash: ${lastHash}`,
    `checkpoints: ${checkpoints}, entries after the last: ${sinceCheckpoint}`,
    ...warnings.map(warning => `${paint('warning', 33, colour)}: ${escapeText(warning)}`)
  ].join('\n')
}
