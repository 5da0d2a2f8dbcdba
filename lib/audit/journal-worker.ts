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
let regaining: Promise<void> | undefined
let isClosing = false
const lockPath = new TrailFiles(options.path).lock

function report (message: JournalReport): void {
  parentPort?.postMessage(message)
}

function failed (error: unknown): void {
  const { message, code } = error as NodeJS.ErrnoException
  report({ type: 'failing', message, reason: code ?? 'the trail cannot be written' })
}

/** Writes what waits; tries again later when that fails. */
function write (): void {
  if (!lock.isHeld()) {
    regainLock().then(write, tryAgain)
    return
  }
  try {
    journal.append(entries)
    backoff.reset()
    report({ type: 'durable' })
    if (journal.checkpointIsDue) checkpoint()
  } catch (error) {
    tryAgain(error)
  }
}

function tryAgain (error: unknown): void {
  failed(error)
  if (!isClosing) retry = setTimeout(write, backoff.next())
}

/** Takes the lock anew when others have removed it. Rejects while another process has it. */
async function regainLock (): Promise<void> {
  regaining ??= (async () => {
    await lock.release()
    lock = await acquireLock(lockPath)
    if (!journal.isForeign) return
    const next = openJournal()
    journal.release()
    journal = next
  })().finally(() => { regaining = undefined })
  await regaining
}

/** Entries are durable without it, so a checkpoint that cannot be made holds up nobody: it is tried again with the next. */
function checkpoint (): void {
  if (!lock.isHeld()) return
  try {
    journal.checkpoint()
  } catch (error) {
    report({ type: 'trouble', message: (error as Error).message })
  }
}

async function close (): Promise<void> {
  isClosing = true
  clearTimeout(retry)
  try {
    if (!lock.isHeld()) await regainLock()
    if (entries.length > 0) write()
    journal.close()
  } catch (error) {
    report({ type: 'trouble', message: (error as Error).message })
  }
  await lock.release()
  report({ type: 'closed' })
  parentPort?.close()
}

function openJournal (): Journal {
  const key = signingKey === undefined ? undefined : createPrivateKey(signingKey)
  return new Journal({ ...options, key }, {
    onCheckpoint (made) { report({ type: 'checkpoint', checkpoint: made }) },
    onWarning (message) { report({ type: 'warning', message }) }
  })
}

try {
  lock = await acquireLock(lockPath)
  try {
    journal = openJournal()
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
  report(
    { type: 'open', torn: journal.recovered, unsealed: journal.unsealed, formerName: journal.formerName }
  )
} catch (error) {
  report({ type: 'refused', message: (error as Error).message })
  parentPort?.close()
}
