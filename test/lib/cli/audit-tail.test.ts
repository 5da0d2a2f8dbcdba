import { appendFileSync, readFileSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs'
import t, { type Test } from 'tap'
import { seal, type ChainHead } from '../../../lib/audit/chain/chain.js'
import { auditTail } from '../../../lib/cli/audit-tail.js'
import { numberedEntry, writeTrail } from '../../support/audit-trail-files.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { Collector, run, storedLines, terminal } from '../../support/command-line.js'

/** Writes to a trail like a running service. */
function writer (
  path: string,
  from: ChainHead,
  firstSeq = from.seq + 1
): { append: (count: number) => void, close: () => void } {
  let head = from
  let first = firstSeq
  return {
    append (count) {
      for (let i = 0; i < count; i++) {
        const { line, ...next } = seal(JSON.stringify(numberedEntry(head.seq + 1)), head)
        appendFileSync(path, `${line}\n`)
        head = next
      }
    },
    close () {
      renameSync(path, path.replace('.jsonl', `.${String(first).padStart(16, '0')}.jsonl`))
      first = head.seq + 1
    }
  }
}

t.test('audit tail prints the last entries', async t => {
  const { path, files } = writeTrail(temporaryDirectory(t), { segments: [30, 5, 5] })
  const stored = storedLines(...files)
  for (const [args, count] of [
    [[], 20],
    [['-n', '3'], 3],
    [['-n', '5'], 5],
    [['-n6'], 6],
    [['--lines', '40'], 40],
    [['-n', '1000'], 40],
    [['-n', '0'], 0]
  ] as const) {
    t.same(
      await run(auditTail, [...args, path]),
      { code: 0, lines: count === 0 ? [] : stored.slice(-count), errors: [] },
      args.join(' ')
    )
  }
  t.same(
    (await run(auditTail, ['-n', '7', files[0] as string])).lines,
    stored.slice(23, 30),
    'of one segment'
  )
  t.match((await run(auditTail, ['-n', '1', path], terminal)).lines[0], /^2026-01-31T12:00:00.040Z {2}user-5/)
})

t.test('audit tail finds the last of many long lines', async t => {
  const { path } = writeTrail(temporaryDirectory(t), {
    segments: [1_000],
    entry: seq => numberedEntry(seq, { details: { text: Array(40).fill(`${seq}`.repeat(40)) } })
  })
  const stored = storedLines(path)
  t.ok(readFileSync(path).length > 1_000_000)
  for (const count of [1, 33, 500, 999, 1_000]) {
    t.same((await run(auditTail, ['-n', String(count), path])).lines, stored.slice(-count), String(count))
  }
})

function follow (t: Test, args: string[]): { stdout: Collector, stop: () => Promise<number> } {
  const stdout = new Collector()
  const controller = new AbortController()
  const ended = auditTail(args, {
    stdout,
    stderr: new Collector(),
    isTTY: false,
    env: {},
    signal: controller.signal
  })
  const stop = async (): Promise<number> => {
    controller.abort()
    return await ended
  }
  t.teardown(stop)
  return { stdout, stop }
}

t.test(
  'audit tail -f goes on with what is written, also when segments are closed',
  { timeout: 60_000 },
  async t => {
    const directory = temporaryDirectory(t)
    const { path, heads } = writeTrail(directory, { segments: [30, 10] })
    const { append, close } = writer(path, heads[2] as ChainHead, 31)
    const { stdout, stop } = follow(t, ['-f', '-n', '2', path])
    const seqs = (lines: string[]): number[] => lines.map(line => (JSON.parse(line) as ChainHead).seq)
    t.same(seqs(await stdout.reach(2)), [39, 40])
    append(3)
    t.same(seqs(await stdout.reach(5)).slice(2), [41, 42, 43])
    // Several at once: some segments are closed before the command has seen them.
    close()
    append(2)
    close()
    append(2)
    close()
    append(1)
    t.same(seqs(await stdout.reach(10)).slice(5), [44, 45, 46, 47, 48])
    t.equal(await stop(), 0)
  }
)

t.test('audit tail -f shows a line when it is complete', { timeout: 60_000 }, async t => {
  const { path, heads: [, head] } = writeTrail(temporaryDirectory(t), { segments: [3] })
  const { stdout, stop } = follow(t, ['-f', '-n', '1', path])
  await stdout.reach(1)
  const fourth = seal(JSON.stringify(numberedEntry(4)), head as ChainHead)
  const { line } = fourth
  appendFileSync(path, line.slice(0, 50))
  appendFileSync(path, `${line.slice(50)}\n`)
  t.same((await stdout.reach(2)).slice(1), [line])

  const { size } = statSync(path)
  appendFileSync(path, '{"unfinished"')
  truncateSync(path, size)
  appendFileSync(path, `${line}\n`)
  const { line: next } = seal(JSON.stringify(numberedEntry(5)), fourth)
  appendFileSync(path, `${next}\n`)
  t.same((await stdout.reach(3)).slice(2), [next], 'not what a service that starts cuts off, and none twice')
  t.equal(await stop(), 0)
})

t.test('audit tail -f waits for a trail whose current segment is missing', { timeout: 60_000 }, async t => {
  const { path, heads, files } = writeTrail(temporaryDirectory(t), { segments: [5, 1] })
  rmSync(path)
  const { append } = writer(path, heads[1] as ChainHead)
  const { stdout, stop } = follow(t, ['-f', '-n', '1', path])
  t.same(await stdout.reach(1), storedLines(files[0] as string).slice(-1))
  append(2)
  t.same((await stdout.reach(3)).slice(1), storedLines(path))
  t.equal(await stop(), 0)
})
