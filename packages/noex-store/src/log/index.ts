// The texts of a log, for logs that are kept elsewhere than in files.
export { entryOfLine, lineOfEntry } from './entry-lines.js'
export { ImageReader, linesOfImage } from './image-lines.js'
export { inSlices, sendLines } from './line-slices.js'
export {
  LogAheadError, LogFollowedError, LogRefusedError, LogUnansweredError
} from './change-log.js'
export type { ChangeLog, LogEntry, OpenedLog, StoreImage } from './change-log.js'
