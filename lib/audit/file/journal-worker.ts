// The thread that writes the files of one trail. See jsonl-sink.ts.
import { createPrivateKey } from 'node:crypto'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { serveJournal, type JournalReport } from '@hamicek/noex-journal'
import { LOCK_TAKEN } from '../chain/chain.js'
import type { WantedCommits } from '../sink.js'
import { Journal, type JournalSettings, type OpenedTrail, type TrailNotice } from './journal.js'
import { TrailFiles } from './segments.js'
import { findCommits } from './trail-reader.js'

const { checkpointIntervalMs, signingKey, ...options } = workerData as JournalSettings
const port = parentPort as MessagePort

function report (message: JournalReport<never, TrailNotice>): void {
  port.postMessage(message)
}

function openJournal (): Journal {
  const key = signingKey === undefined ? undefined : createPrivateKey(signingKey)
  return new Journal({ ...options, key }, {
    onCheckpoint (checkpoint) { report({ type: 'notice', notice: { type: 'checkpoint', checkpoint } }) },
    onWarning (message) { report({ type: 'notice', notice: { type: 'warning', message } }) }
  })
}

/**
 * Makes a checkpoint. Entries are durable without it, so a failure is only reported; the next one retries.
 */
function checkpoint (journal: Journal): void {
  try {
    journal.checkpoint()
  } catch (error) {
    report({ type: 'warning', message: (error as Error).message })
  }
}

const server = await serveJournal<Journal, OpenedTrail>(port, {
  lockPath: new TrailFiles(options.path).lock,
  taken: LOCK_TAKEN,
  retries: true,
  open: openJournal,
  opened: ({ recovered, unsigned, formerName }) => ({ recovered, unsigned, formerName }),
  onCall: (_journal, call) => findCommits(new TrailFiles(options.path), call as WantedCommits),
  onDurable (journal) { if (journal.checkpointIsDue) checkpoint(journal) }
})
if (server !== undefined) {
  setInterval(() => { if (server.isHeld) checkpoint(server.journal) }, checkpointIntervalMs).unref()
}
