export { Backoff } from './backoff.js'
export { crc32, crcFormat, textOfCrcLine, type CrcHead } from './crc-format.js'
export { DurableFile, makeDirectory, syncDirectory } from './durable-file.js'
export { acquireLock, isLocked, type FileLock } from './file-lock.js'
export { readBytes, scanLines, scanLinesBackwards, sizeOf } from './file-scan.js'
export {
  cutTail, followLines, isRepeated, isTorn, keepTail, MAX_WRITE_BYTES, type Extent, type Followed
} from './file-tail.js'
export { entryAt, setAside } from './foreign-file.js'
export type { JournalFormat } from './format.js'
export { Journal } from './journal.js'
export type { JournalKeeper, JournalOptions, JournalStart, LineRange } from './journal-options.js'
export { LINE_FEED, LineSplitter, textOf, type RawLine } from './lines.js'
export {
  readJournal, recoverJournal, type ReadJournal, type RecoveredJournal
} from './recover.js'
export { currentBeside, numberInName, SegmentNames } from './segment-names.js'
export type { JournalCommand, JournalReport } from './thread/journal-messages.js'
export { JournalThread, type JournalThreadOptions } from './thread/journal-thread.js'
export {
  serveJournal, type JournalServer, type JournalService, type ServedJournal
} from './thread/serve-journal.js'
export { threadFile } from './thread-file.js'
export { Watermark } from './watermark.js'
