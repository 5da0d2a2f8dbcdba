// Commands on the files of a store that no process, or another one, has open.
export { AFTER_CRASH } from './after-crash.js'
export { backupLog, type BackupMade, type BackupReport } from './backup-log.js'
export { compactLog, type CompactReport } from './compact-log.js'
export { importDirectory, type ImportOptions, type ImportReport } from './import-directory.js'
export { makeLog } from './new-log.js'
export { readStore, type OfflineStore } from './offline-store.js'
export { restoreLog } from './restore-log.js'
export { verifyLog, type LogReport } from './verify-log.js'
