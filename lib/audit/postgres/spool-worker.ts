// The thread that writes a spool. See spool.ts.
import { parentPort, workerData } from 'node:worker_threads'
import { acquireLock, type FileLock } from '@hamicek/noex-journal'
import { LOCK_TAKEN } from '../chain/chain.js'
import { SpoolFile } from './spool-file.js'
import type { SpoolAnswer, SpoolCommand } from './spool.js'

const path = workerData as string
const lockPath = `${path}.lock`

function answer (message: SpoolAnswer): void {
  parentPort?.postMessage(message)
}

function failed (error: unknown): void {
  answer({ type: 'failed', message: (error as Error).message })
}

type Outcome = Pick<SpoolAnswer & { type: 'done' }, 'begun' | 'part' | 'cleared'>

function run (spool: SpoolFile, command: SpoolCommand): Outcome {
  switch (command.type) {
    case 'append':
      return { begun: spool.append(command.lines) }
    case 'read':
      return { part: spool.read(command.generation, command.position, command.maxLines) }
    case 'clear':
      return { cleared: spool.clear(command.generation, command.size) }
    case 'close':
      spool.close()
      return {}
  }
}

function serve (spool: SpoolFile, held: FileLock): void {
  let lock = held
  let done = Promise.resolve()
  parentPort?.on(
    'message',
    (command: SpoolCommand) => { done = done.then(async () => { await execute(command) }) }
  )
  answer({ type: 'open', size: spool.size, end: spool.end, cutBytes: spool.cutBytes })

  async function execute (command: SpoolCommand): Promise<void> {
    try {
      // The lock may have been removed; another process may have locked the file meanwhile.
      if (command.type !== 'close' && !lock.isHeld()) {
        await lock.release()
        lock = await acquireLock(lockPath, LOCK_TAKEN)
      }
      const outcome = run(spool, command)
      const size = command.type === 'close' ? 0 : spool.size
      answer({ type: 'done', ...outcome, generation: spool.generation, size })
    } catch (error) {
      failed(error)
    }
    if (command.type === 'close') lock.release().finally(() => { parentPort?.close() }).catch(failed)
  }
}

try {
  const lock = await acquireLock(lockPath, LOCK_TAKEN)
  try {
    serve(new SpoolFile(path), lock)
  } catch (error) {
    await lock.release()
    throw error
  }
} catch (error) {
  failed(error)
  parentPort?.close()
}
