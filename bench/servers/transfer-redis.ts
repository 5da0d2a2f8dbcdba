// Redis, which syncs its file before it answers, behind a route of HTTP. Arguments: the folder with the
// client `redis`, and that of the server.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { OPENING_BALANCE, TRANSFER_ACCOUNTS } from '../workload/transfers.js'
import { processMicros } from './process-micros.js'
import { serveTransfers } from './transfer-route.js'

/** As much of the client as is used here. Commands of one turn of the event loop go in one write. */
interface Redis {
  connect: () => Promise<unknown>
  on: (event: 'error', listener: (error: Error) => void) => unknown
  mSet: (values: ReadonlyArray<[string, string]>) => Promise<unknown>
  mGet: (keys: readonly string[]) => Promise<Array<string | null>>
  scriptLoad: (script: string) => Promise<string>
  evalSha: (sha: string, options: {
    readonly keys: readonly string[]
    readonly arguments: readonly string[]
  }) => Promise<unknown>
}

const PART = 10_000
const PATIENCE_MS = 10_000

const [, , rivals = '', folder = ''] = process.argv
const path = join(folder, 'redis.sock')
const server = spawn('redis-server', [
  ...['--port', '0', '--unixsocket', path, '--dir', folder],
  ...['--appendonly', 'yes', '--appendfsync', 'always', '--save', '']
], { stdio: 'ignore' })
server.on('exit', code => { throw new Error(`redis-server has exited with code ${code}`) })
process.on('exit', () => { server.kill() })
for (let waited = 0; !existsSync(path); waited += 10) {
  if (waited > PATIENCE_MS) throw new Error('redis-server does not listen')
  await setTimeout(10)
}

const { createClient } = createRequire(join(rivals, 'package.json'))('redis') as {
  readonly createClient: (options: {
    readonly socket: { readonly path: string, readonly tls: false }
  }) => Redis
}
const client = createClient({ socket: { path, tls: false } })
client.on('error', error => { throw error })
await client.connect()
const keys = Array.from({ length: TRANSFER_ACCOUNTS }, (_, id) => `account:${id}`)
for (let start = 0; start < keys.length; start += PART) {
  await client.mSet(keys.slice(start, start + PART).map(key => [key, String(OPENING_BALANCE)]))
}
const sha = await client.scriptLoad(`
  local from = redis.call('GET', KEYS[1]) - ARGV[1]
  local to = redis.call('GET', KEYS[2]) + ARGV[1]
  redis.call('SET', KEYS[1], from)
  redis.call('SET', KEYS[2], to)
  return { from, to }`)

await serveTransfers(async ({ from, to, amount }) => {
  const options = { keys: [keys[from] as string, keys[to] as string], arguments: [String(amount)] }
  const balances = await client.evalSha(sha, options) as [number, number]
  return { from: balances[0], to: balances[1] }
}, {
  databaseMicros: () => processMicros([server.pid as number]),
  balances: async () => (await client.mGet(keys)).map(Number)
})
