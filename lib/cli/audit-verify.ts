import { readFile, stat } from 'node:fs/promises'
import { parseJson, toCheckpoint, type Checkpoint } from '../audit/chain/checkpoint.js'
import { verifyTrail, type VerifyResult } from '../audit/file/verify.js'
import { BAD, OK, runCommand, UsageError, type CommandIo } from './command.js'
import { escapeText, paint, type EntryStyle } from './print.js'

const help = `Usage: fastify-noex audit verify [options] FILE...

Checks that nothing in an audit trail has been changed, removed or added. A FILE like audit.jsonl stands for
its whole trail; otherwise name all segments, in any order.

Options:
  --public-key PEM_FILE  Ed25519 public key: every checkpoint must be signed with its private key
  --checkpoints FILE     checkpoints to compare with, repeatable; default: the .checkpoints files beside FILE
  --after FILE           a checkpoint, as onCheckpoint got it or as a line of a .checkpoints file: the entries
                         up to its own may be missing; default: those that the trail says keep has removed
  --anchor FILE          a checkpoint that was kept elsewhere: the trail must agree with it
  --stream NAME          the name of the trail, when its files have been renamed; default: the name of FILE
  --json                 print one JSON object, as in a pipe
  --pretty               print for people, as on a terminal
  -h, --help             print this

Exit codes: 0 the trail is good, 1 it is bad, 2 wrong usage or unreadable file.`

const options = {
  'public-key': { type: 'string' },
  checkpoints: { type: 'string', multiple: true },
  after: { type: 'string' },
  anchor: { type: 'string' },
  stream: { type: 'string' }
} as const

/** `fastify-noex audit verify`. Resolves with the exit code. */
export async function auditVerify (args: readonly string[], io: CommandIo): Promise<number> {
  return await runCommand({
    help,
    options,
    async run ({ values, files, output, style }) {
      const keyFile = values['public-key']
      const publicKey = keyFile === undefined ? undefined : await readFile(keyFile, 'utf8')
      const [after, anchor] = await Promise.all(
        [readCheckpoint('--after', values.after), readCheckpoint('--anchor', values.anchor)]
      )
      const result = await verifyTrail(
        { files, publicKey, checkpoints: values.checkpoints, after, anchor, stream: values.stream }
      )
      await output.line(style.pretty ? formatResult(result, style) : JSON.stringify(result))
      return result.ok ? OK : BAD
    }
  }, args, io)
}

/** Maximum size of a file with one checkpoint, in bytes. */
const MAX_CHECKPOINT_BYTES = 65_536

/** Reads the checkpoint of a file. @throws {UsageError} when the file does not hold exactly one */
async function readCheckpoint (option: string, file: string | undefined): Promise<Checkpoint | undefined> {
  if (file === undefined) return undefined
  const isShort = (await stat(file)).size <= MAX_CHECKPOINT_BYTES
  const checkpoint = isShort ? toCheckpoint(parseJson(await readFile(file, 'utf8'))) : undefined
  if (checkpoint === undefined) {
    throw new UsageError(
      `${option}: ${file} must hold one checkpoint, a JSON object with stream, seq, hash and timestamp`
    )
  }
  return checkpoint
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
