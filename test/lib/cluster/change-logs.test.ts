import { join } from 'node:path'
import t from 'tap'
import { FileLog, MemoryLog } from '@hamicek/noex-store'
import { PostgresLog } from '../../../lib/cluster/postgres-log.js'
import { testChangeLog } from '../../support/change-log-conformance.js'
import { testDatabase } from '../../support/postgres.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

testChangeLog(t, 'memory', async () => {
  const log = new MemoryLog()
  return { make: () => log }
})

testChangeLog(t, 'files', async t => {
  const directory = join(temporaryDirectory(t), 'made', 'for it')
  return { make: () => new FileLog({ directory, segmentBytes: 100_000 }) }
})

testChangeLog(t, 'PostgreSQL', async t => {
  const { connectionString } = await testDatabase(t)
  const source = { connectionString, pool: undefined }
  return { make: () => new PostgresLog({ source, name: 'test', leaseMs: 5_000 }) }
})
