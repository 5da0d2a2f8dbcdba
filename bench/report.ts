import { availableParallelism } from 'node:os'
import type { Row, Target } from './benchmarks/row.js'

const widths = [38, 8, 9, 9, 8, 13, 14, 16, 16]
const columns = [
  '', '', 'bare', 'noex', 'ratio', 'of rounds', 'target', 'p50 ms bare/noex', 'p99 ms bare/noex'
]

/** The lines above the table: where the figures come from. */
export function header (): string {
  return [
    `Node ${process.version}, ${availableParallelism()} cores, server and clients in processes of their own`,
    '',
    line(columns)
  ].join('\n')
}

/** One line of the table. A missed target is said, not hidden. */
export function rowText ({ name, unit, bare, noex, spread, latency, target, note }: Row): string {
  const ratio = bare === undefined ? undefined : noex / bare
  return line([
    name,
    unit,
    bare === undefined ? '' : bare.toFixed(2),
    noex.toFixed(2),
    ratio === undefined ? '' : times(ratio),
    spread === undefined ? '' : `${spread[0].toFixed(2)} – ${spread[1].toFixed(2)}`,
    target === undefined ? '' : targetText(target, bare ?? NaN, noex),
    latency === undefined ? '' : `${latency.bare.p50Ms.toFixed(2)} / ${latency.noex.p50Ms.toFixed(2)}`,
    latency === undefined ? '' : `${latency.bare.p99Ms.toFixed(2)} / ${latency.noex.p99Ms.toFixed(2)}`
  ]) + (note === undefined ? '' : `  ${note}`)
}

/** The lines below the table: what the words in it mean. */
export const legend = `
µs CPU: CPU time of the server process for one operation, user and system, all threads; the median of the
  rounds, which run on both servers by turns. p50, p99: as the clients see it.
bare ws: ws alone, no checks, records in a Map; for a fan-out it encodes the push once and calls ws.send(text)
  for each subscriber. bare route: Fastify with @fastify/websocket, one route.
get, insert, update: 16 connections with 16 requests under way each, beside bare ws and beside sockets of Node
  without any library (raw net); and 64 connections with one request each. get, with permissions or metrics:
  beside the same server without. login: beside a login to an account that exists. connect: from the upgrade
  to the first message. heartbeat: a ping and its answer, of clients that have come one after the other.
get over HTTP: 64 connections with one request each, by POST /rpc, beside a route of Fastify that answers the
  same JSON without a check; helmet is twelve headers more.
idle: growth of the resident memory (rss) and of the objects in it (heap) for each further connection, after a
  collection, in a fresh server whose young generation is kept at 1 MB.
capacity: growth of the objects (heap), of the resident memory (rss) or of files (disk) for each further one,
  and CPU time of the server for one; the memory in servers whose young generation is kept at 1 MB.
growth: a write of one record beside more and more of something; bare: beside the least of it. Its aims in µs
  are scaled by the get of raw net, which stands above it. stampede: many clients subscribe at once; since:
  they say where they were. peers: bare is the other server, and each pushes the changed row; ws: replies of
  one tick in one system call, pushes framed once.
fairness: p99.9 of a client's store.get, of which one is due each millisecond, beside the heaviest requests
  that one user may send, on buckets of 100,000 records; with the CPU time of the longest turn of the server's
  event loop, which tells more where the machine is busy with other things, and with what the requests were
  answered. With NOEX_BENCH_UNLIMITED=1, without a budget of work.
console: CPU time of the server while a page of the console is open in Chromium, beside many idle connections;
  bare: while none is open.
store: packages/noex-store alone, in a process of its own; bare: the registry's package, both on a bucket of
  100,000 records. Behind them the figures of ours on 10,000 / 100,000 / 1,000,000 records, and the aim for
  the last one, which is for a machine on which a server of raw net sockets answers a get in 14.4 µs of CPU;
  it is not scaled here.
transfer: a procedure with two reads and two updates of 100,000 accounts in one transaction, answered when the
  disk has it, beside the same work elsewhere, the CPU time of a database included; 64 clients with 1 and with
  40 transfers under way each; even: any account as likely as another, hot: by Zipf's law with exponent 1.5.
  bare ws: a Map, with the journal of the store. SQLite, PostgreSQL, Redis: behind a route of Fastify over
  HTTP, whose clients do not wait for an answer before the next request.
cluster: as durability, with the log in PostgreSQL of this machine, whose CPU time is not counted; and the CPU
  time of starts from it.
durability: writers that insert over sockets, each one after the other, into a store in files, beside one in
  memory (bare) in the same run, and that beside raw net; µs passed: of the whole round for each insert, so
  that 1/0.5 and 1/0.7 are the aims of the throughput. Then, on buckets of 1,000 to 1,000,000 records with two
  indexes: a write at a time, a start from the log and from a snapshot, and the longest turns of the event
  loop meanwhile, and while a snapshot is written beside 16 writers. The disk is that of TMPDIR.`

function targetText (target: Target, bare: number, noex: number): string {
  const [text, met] = judged(target, bare, noex)
  return `${text} ${met ? 'ok' : 'MISSED'}`
}

function judged (target: Target, bare: number, noex: number): [text: string, met: boolean] {
  const ratio = noex / bare
  if ('exactly' in target) return [String(target.exactly), noex === target.exactly]
  if ('atMost' in target) return [`≤ ${target.atMost}`, noex <= target.atMost]
  if ('addedAtMost' in target) return [`≤ +${target.addedAtMost}`, noex - bare <= target.addedAtMost]
  if ('ratioAtLeast' in target) return [`≥ ${times(target.ratioAtLeast)}`, ratio >= target.ratioAtLeast]
  if ('ratioFrom' in target) {
    return [
      `${target.ratioFrom} – ${times(target.ratioTo)}`,
      ratio >= target.ratioFrom && ratio <= target.ratioTo
    ]
  }
  return [`≤ ${times(target.ratioAtMost)}`, ratio <= target.ratioAtMost]
}

function times (ratio: number): string {
  return `${ratio.toFixed(ratio < 0.095 ? 4 : 2)}×`
}

function line (cells: readonly string[]): string {
  return cells
    .map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
    .join(' ')
    .trimEnd()
}
