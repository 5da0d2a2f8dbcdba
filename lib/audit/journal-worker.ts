// The thread that writes the files of one trail. See jsonl-sink.ts.
import { createPrivateKey } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { Backoff } from './backoff.js'
import { acquireLock, type FileLock } from './file-lock.js'
import { Journal } from './journal.js'
import type { JournalCommand, JournalReport, JournalSettings } from './journal-messages.js'
import { TrailFiles } from './segments.js'

const { checkpointIntervalMs, signingKey, ...options } = workerData as JournalSettings

let journal: Journal
let lock: FileLock
/** What is not durable yet. */
let entries: string[] = []
const backoff = new Backoff()
let retry: NodeJS.Timeout | undefined

function report (message: JournalReport): void {
  parentPort?.postMessage(message)
}

function failed (error: unknown): void {
  const { message, code } = error as NodeJS.ErrnoException
  report({ type: 'failing', message, reason: code ?? 'the trail cannot be written' })
}

/** Writes what waits; tries again later when that fails. */
function write (): void {
  try {
    journal.append(entries)
    backoff.reset()
    report({ type: 'durable' })
    if (journal.checkpointIsDue) checkpoint()
  } catch (error) {
    failed(error)
    retry = setTimeout(write, backoff.next())
  }
}

/** Entries are durable without it, so a checkpoint that cannot be made holds up nobody: it is tried again with the next. */
function checkpoint (): void {
  try {
    journal.checkpoint()
  } catch (error) {
    report({ type: 'trouble', message: (error as Error).message })
  }
}

async function close (): Promise<void> {
  clearTimeout(retry)
  if (entries.length > 0) write()
  clearTimeout(retry)
  try {
    journal.close()
  } catch (error) {
    report({ type: 'trouble', message: (error as Error).message })
  }
  await lock.release()
  report({ type: 'closed' })
  parentPort?.close()
}

try {
  lock = await acquireLock(new TrailFiles(options.path).lock)
  const key = signingKey === undefined ? undefined : createPrivateKey(signingKey)
  try {
    journal = new Journal({ ...options, key }, {
      onCheckpoint (made) { report({ type: 'checkpoint', checkpoint: made }) },
      onWarning (message) { report({ type: 'warning', message }) }
    })
  } catch (error) {
    await lock.release()
    throw error
  }
  setInterval(checkpoint, checkpointIntervalMs).unref()
  parentPort?.on('message', (command: JournalCommand) => {
    if (command.type === 'close') {
      close().catch(failed)
    } else {
      entries = command.entries.split('\n')
      write()
    }
  })
  report({ type: 'open', torn: journal.recovered, unsealed: journal.unsealed, formerName: journal.formerName })
} catch (error) {
  report({ type: 'refused', message: (error as Error).message })
  parentPort?.close()
}
