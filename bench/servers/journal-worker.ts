// The thread of the journal benchmark: lines with a CRC, as a store's log has them.
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import {
  crcFormat, Journal, recoverJournal, SegmentNames, serveJournal, type CrcHead
} from '@hamicek/noex-journal'

const names = new SegmentNames(workerData as string, '.log', 'log')
const format = crcFormat(1_048_576)

await serveJournal<Journal<CrcHead>, number>(parentPort as MessagePort, {
  lockPath: names.lock,
  taken: 'another process writes this log',
  retries: false,
  open: () => {
    const start = recoverJournal(names, format, 1, () => {})
    return new Journal({ names, format, maxBytes: 67_108_864, maxAgeMs: Infinity, fsync: true }, start)
  },
  opened: ({ head }) => head.revision,
  onDurable (journal) { journal.pruneBelow(journal.head.revision + 1) }
})
