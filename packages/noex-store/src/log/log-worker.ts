// The thread that writes the files of a store's log. See file-log.ts.
import { join } from 'node:path'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { makeDirectory, serveJournal } from '@hamicek/noex-journal'
import { LogDirectory } from './log-directory.js'
import type { LogCall, LogNotice, LogOpened, LogSettings } from './log-messages.js'

const settings = workerData as LogSettings
const port = parentPort as MessagePort
let isOpened = false

await serveJournal<LogDirectory, LogOpened>(port, {
  lockPath: join(settings.directory, 'store.lock'),
  taken: 'another process has this store',
  retries: false,
  prepare () {
    if (!settings.isKnown) makeDirectory(settings.directory)
  },
  open () {
    if (isOpened) {
      throw new Error(`${settings.directory}: another process has written to this store: start anew`)
    }
    isOpened = true
    return new LogDirectory(settings, (notice: LogNotice) => { port.postMessage({ type: 'notice', notice }) })
  },
  opened: directory => directory.opened,
  onCall: (directory, call) => directory.carryOut(call as LogCall)
})
