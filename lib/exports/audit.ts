export { jsonlSink, type JsonlSinkOptions } from '../audit/file/jsonl-sink.js'
export { postgresSink, type PostgresSinkOptions } from '../audit/postgres/postgres-sink.js'
export {
  listStreams,
  verifyTable,
  type VerifyTableOptions,
  type VerifyTableResult
} from '../audit/postgres/verify-table.js'
export {
  verifyTrail,
  type BadTrail,
  type GoodTrail,
  type VerifyOptions,
  type VerifyResult
} from '../audit/file/verify.js'
export type { Checkpoint } from '../audit/chain/checkpoint.js'
export type { AuditEntry, RecordedEntry } from '../audit/entry.js'
export type {
  AuditSink, FoundCommits, SinkCommits, SinkContext, SinkPolicies, SinkPolicy, SinkWriter, WantedCommits
} from '../audit/sink.js'
