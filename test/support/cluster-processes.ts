import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { TestClient } from './client.js'

const program = fileURLToPath(new URL('../fixtures/clustered-server.js', import.meta.url))
const adminSecret = '9f1c5e0b7a3d48e2b6c4d1f0a8e7c3b5'

/** A node of a cluster in a process of its own. */
export interface NodeProcess {
  readonly child: ChildProcess
  readonly port: number
  readonly url: string
  /** Resolves with the answer of `/readyz`: `ok`, `standby` or another one. */
  readonly status: () => Promise<string>
  /** Opens a client that is logged in as the superadmin. */
  readonly logIn: () => Promise<TestClient>
  /** Ends it in order. */
  readonly stop: () => Promise<void>
  readonly kill: () => Promise<void>
}

/** Starts a node, which is killed with the test at the latest. */
export async function startNodeProcess (
  t: Test, connectionString: string, leaseMs: number
): Promise<NodeProcess> {
  const child = fork(program, [connectionString, String(leaseMs), adminSecret], {
    execArgv: [], env: { ...process.env, NODE_OPTIONS: '' }
  })
  t.teardown(() => { child.kill('SIGKILL') })
  const [port] = await Promise.race([once(child, 'message'), once(child, 'exit')]) as [number]
  const exited = once(child, 'exit')
  const url = `ws://127.0.0.1:${port}`
  return {
    child,
    port,
    url,
    async status () {
      const response = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(1_000) })
      return (await response.json() as { status: string }).status
    },
    async logIn () {
      const client = await TestClient.open(t, url)
      await client.ask('identity.loginWithSecret', { secret: adminSecret })
      return client
    },
    async stop () {
      child.send('stop')
      await exited
    },
    async kill () {
      child.kill('SIGKILL')
      await exited
    }
  }
}
