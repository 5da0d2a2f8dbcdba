import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'

/** Time after which a program counts as one that does not start, or does not end. */
const PATIENCE_MS = 20_000

/**
 * Says with which version a test runs. Without the program, the test is over: it has failed in CI, and says
 * so elsewhere.
 */
export function hasProgram (t: Test, name: string, versionArgument = '--version'): boolean {
  try {
    // nginx tells its version as an error.
    t.comment(
      String(execFileSync('/bin/sh', ['-c', `${name} ${versionArgument} 2>&1`])).split('\n', 1)[0] ?? ''
    )
    return true
  } catch {
    if (process.env['CI'] === undefined) t.comment(`not tried: ${name} is not there`)
    else t.fail(`${name} is not there`)
    return false
  }
}

/** A program that listens. */
export interface RunningProgram {
  readonly child: ChildProcess
  /** Ends it by SIGTERM, and resolves when it has ended. */
  readonly end: () => Promise<void>
}

/**
 * Starts a program, waits until it listens on `port`, and ends it with the test. What it says is part of the
 * error when it does not.
 */
export async function startProgram (
  t: Test,
  command: readonly [string, ...string[]],
  port: number,
  env: NodeJS.ProcessEnv = {}
): Promise<RunningProgram> {
  const [name, ...args] = command
  const child = spawn(name, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', data => { said = (said + String(data)).slice(-4_000) })
  }
  const exited = once(child, 'exit')
  const end = async (): Promise<void> => {
    child.kill('SIGTERM')
    const late = setTimeout(() => { child.kill('SIGKILL') }, PATIENCE_MS)
    await exited
    clearTimeout(late)
  }
  t.teardown(end)
  for (const deadline = performance.now() + PATIENCE_MS; !await listens(port);) {
    if (child.exitCode !== null || performance.now() > deadline) {
      throw new Error(`${name} does not listen on ${port}: ${said}`)
    }
    await sleep(10)
  }
  return { child, end }
}

async function listens (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
