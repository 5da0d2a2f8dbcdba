import { constants } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { EntryPrinter, Output, escapeText, type EntryStyle } from './print.js'

/** The streams and the environment of a command. */
export interface CommandIo {
  readonly stdout: Writable
  readonly stderr: Writable
  /** Whether `stdout` is a terminal: the output is then for people. */
  readonly isTTY: boolean
  readonly env: Readonly<Record<string, string | undefined>>
  /** The input; a terminal has `isTTY`. Absent where there is none. */
  readonly stdin?: Readable & { readonly isTTY?: boolean }
  /** Ends a command that follows a file when aborted. */
  readonly signal?: AbortSignal
  /**
   * Has `listener` called for each of these signals of the process, in place of their effect. Returns what
   * ends that. Absent where a signal is not the command's to handle. `names`: by default those that end a
   * process, SIGINT, SIGTERM and SIGHUP.
   */
  readonly onSignal?: (
    listener: (name: NodeJS.Signals) => void, names?: readonly NodeJS.Signals[]
  ) => () => void
}

/** Runs a command with the arguments after its name. Resolves with the exit code. */
export type CommandFunction = (args: readonly string[], io: CommandIo) => Promise<number>

/** Exit codes: done and good; damage found, or refused by the server; wrong usage or not done. */
export const OK = 0
export const BAD = 1
export const FAILED = 2

/** Returns the exit code of a command that a signal has ended, as shells have it. */
export function codeOf (signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}

/** Thrown when arguments are invalid. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

type Options = NonNullable<ParseArgsConfig['options']>

/** A command with its help and options. */
interface Command<Given extends Options> {
  /** The text of `--help`. */
  readonly help: string
  /** Name of what stands behind the options; `null` where nothing does. @default 'file or directory' */
  readonly argument?: string | null
  /** Options besides `--help`, `--json` and `--pretty`, which all commands have. */
  readonly options: Given
  /** Resolves with the exit code. */
  readonly run: (run: CommandRun<Given>) => Promise<number>
}

/** The arguments and outputs of one run of a command. */
interface CommandRun<Given extends Options> {
  readonly values: ReturnType<typeof parseArgs<{ options: Given }>>['values']
  /**
   * The arguments behind the options, such as paths of files and directories: at least one, unless the
   * command takes none.
   */
  readonly files: readonly [string, ...string[]]
  readonly output: Output
  readonly printer: EntryPrinter
  readonly errors: Output
  readonly style: EntryStyle
  /** Aborted when the command must end. */
  readonly signal: AbortSignal
}

const common = {
  help: { type: 'boolean', short: 'h' },
  json: { type: 'boolean' },
  pretty: { type: 'boolean' }
} as const

/** Runs a command and resolves with its exit code. Writes errors to `stderr`, each in one line. */
export async function runCommand<Given extends Options> (
  command: Command<Given>, args: readonly string[], io: CommandIo
): Promise<number> {
  const output = new Output(io.stdout)
  const errors = new Output(io.stderr)
  try {
    const { values, positionals } = parseArgs({
      args: [...args], options: { ...command.options, ...common }, allowPositionals: true
    })
    const { help, json, pretty } = values as { help?: boolean, json?: boolean, pretty?: boolean }
    if (help === true) {
      await output.line(command.help)
      return OK
    }
    if (json === true && pretty === true) throw new UsageError('--json and --pretty exclude each other')
    const { argument = 'file or directory' } = command
    if (argument === null && positionals.length > 0) {
      throw new UsageError(`it takes no argument, but there is ${positionals[0]}`)
    }
    if (argument !== null && (positionals.length === 0 || positionals.includes(''))) {
      throw new UsageError(`a ${argument} is missing`)
    }
    const style = {
      pretty: pretty ?? (json !== true && io.isTTY),
      colour: io.isTTY && (io.env['NO_COLOR'] ?? '') === ''
    }
    const signals = [output.gone, ...(io.signal === undefined ? [] : [io.signal])]
    const code = await command.run({
      values: values as CommandRun<Given>['values'],
      files: positionals as unknown as CommandRun<Given>['files'],
      output,
      errors,
      printer: new EntryPrinter(output, errors, style),
      style,
      signal: AbortSignal.any(signals)
    })
    await output.flush()
    if (output.error === undefined) return code
    throw output.error
  } catch (error) {
    await errors.line(`fastify-noex: ${escapeText((error as Error).message)}`)
    if (isUsageError(error)) await errors.line('Add --help to see how it is used.')
    return FAILED
  }
}

function isUsageError (error: unknown): boolean {
  return error instanceof UsageError ||
    String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS_')
}

/** Parses the integer of an option. @throws {UsageError} when it is below `min` or not an integer */
export function toInteger (option: string, text: string, min: number): number {
  const value = Number(text)
  if (!/^\d{1,15}$/.test(text) || value < min) {
    throw new UsageError(`${option} takes an integer of at least ${min}`)
  }
  return value
}

const MAX_PORT = 65_535

/** Parses the TCP port of the option `--port`. @throws {UsageError} */
export function toPort (text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const port = toInteger('--port', text, 0)
  if (port > MAX_PORT) throw new UsageError(`--port takes 0 to ${MAX_PORT}`)
  return port
}
