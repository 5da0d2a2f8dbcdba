export { jsonlSink, type JsonlSinkOptions } from '../audit/jsonl-sink.js'
export { postgresSink, type PostgresSinkOptions } from '../audit/postgres-sink.js'
export { listStreams, verifyTable, type VerifyTableOptions, type VerifyTableResult } from '../audit/postgres-verify.js'
export { verifyTrail, type BadTrail, type GoodTrail, type VerifyOptions, type VerifyResult } from '../audit/verify.js'
export type { Checkpoint } from '../audit/checkpoint.js'
export type { AuditEntry, RecordedEntry } from '../audit/entry.js'
export type {
  AuditSink, FoundCommits, SinkCommits, SinkContext, SinkPolicies, SinkPolicy, SinkWriter, WantedCommits
} from '../audit/sink.js'
