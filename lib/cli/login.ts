import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import type { LoginInput } from '../client/index.js'
import { UsageError, type CommandIo } from './command.js'
import { escapeText } from './print.js'

/** How a command logs in: by a token or a password, or by the secret of the superadmin. */
export type Login =
  | { readonly getInput: () => Promise<LoginInput>, readonly secret?: undefined }
  | { readonly getInput?: undefined, readonly secret: string }

/** The options of every command that speaks to a server. */
export const serverOptions = {
  token: { type: 'string' },
  'token-file': { type: 'string' },
  user: { type: 'string', short: 'u' },
  admin: { type: 'boolean' },
  ca: { type: 'string' }
} as const

/** Their part of `--help`. */
export const serverHelp = `Login (one of them; without, the token of the variable NOEX_TOKEN, or none):
  --token-file FILE  the file with the token
  --token TOKEN      the token; others may see it in the list of processes for a moment
  -u, --user NAME    an account of the server; its password is that of NOEX_PASSWORD, or asked for
  --admin            the superadmin; the secret is that of NOEX_ADMIN_SECRET, or asked for
  --ca FILE          trust a server whose certificate this PEM file, or an authority in it, has signed`

type Values = { readonly [Name in keyof typeof serverOptions]?: string | boolean | undefined }

/**
 * Returns how to log in; `undefined` for not at all. Asks on the terminal where nothing else has the password
 * or secret.
 * @throws {UsageError} for several of the options, or an empty token
 */
export async function readLogin (values: Values, io: CommandIo): Promise<Login | undefined> {
  const names = ['token', 'token-file', 'user', 'admin'] as const
  const [name, another] = names.filter(name => values[name] !== undefined)
  if (another !== undefined) throw new UsageError(`--${name} and --${another} exclude each other`)
  switch (name) {
    case 'token':
      return loginBy(nonEmpty('--token', values.token as string))
    case 'token-file': {
      const file = values['token-file'] as string
      const readToken = async (): Promise<string> =>
        nonEmpty(`--token-file: ${file}`, await readFile(file, 'utf8'))
      await readToken()
      // At each login: a token that has ended may be replaced meanwhile.
      return { getInput: readToken }
    }
    case 'user': {
      const username = nonEmpty('--user', values.user as string)
      const password = io.env['NOEX_PASSWORD'] ?? await askSecret(`Password of ${username}: `, io, '--user')
      return loginBy({ username, password })
    }
    case 'admin':
      return {
        secret: io.env['NOEX_ADMIN_SECRET'] ?? await askSecret('Secret of the superadmin: ', io, '--admin')
      }
    default: {
      const token = io.env['NOEX_TOKEN']?.trim() ?? ''
      return token === '' ? undefined : loginBy(token)
    }
  }
}

function loginBy (input: LoginInput): Login {
  return { getInput: async () => input }
}

function nonEmpty (place: string, text: string): string {
  const trimmed = text.trim()
  if (trimmed === '') throw new UsageError(`${place} is empty`)
  return trimmed
}

const variables: Readonly<Record<string, string>> = {
  '--user': 'NOEX_PASSWORD', '--admin': 'NOEX_ADMIN_SECRET'
}

/** Asks for a text that the terminal does not show. */
async function askSecret (question: string, { stdin, stderr }: CommandIo, option: string): Promise<string> {
  if (stdin?.isTTY !== true) {
    throw new UsageError(`${option}: there is no terminal to ask at; set ${variables[option]}`)
  }
  const silent = new Writable({ write: (_chunk, _encoding, done) => { done() } })
  const reader = createInterface({ input: stdin, output: silent, terminal: true, historySize: 0 })
  stderr.write(escapeText(question))
  try {
    return await new Promise((resolve, reject) => {
      const noAnswer = (): void => { reject(new Error('nothing was entered')) }
      reader.question('', answer => { answer === '' ? noAnswer() : resolve(answer) })
      reader.on('SIGINT', noAnswer).on('close', noAnswer)
    })
  } finally {
    reader.close()
    stderr.write('\n')
  }
}
