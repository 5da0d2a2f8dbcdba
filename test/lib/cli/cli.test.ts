import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync, cpSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { seal, type ChainHead } from '../../../lib/audit/chain/chain.js'
import type { AuditEntry } from '../../../lib/audit/entry.js'
import { auditQuery } from '../../../lib/cli/audit-query.js'
import { auditTail } from '../../../lib/cli/audit-tail.js'
import { auditVerify } from '../../../lib/cli/audit-verify.js'
import type { CommandFunction, CommandIo } from '../../../lib/cli/command.js'
import { escapeText, formatEntry } from '../../../lib/cli/print.js'
import { START, keys, numberedEntry, writeTrail } from '../../support/audit-trail-files.js'
import { projectFile } from '../../support/project-file.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

/** Collects what is written, and lets a test wait for lines. */
class Collector extends Writable {
  text = ''

  override _write (chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += String(chunk)
    this.emit('text')
    done()
  }

  get lines (): string[] {
    return this.text.split('\n').slice(0, -1)
  }

  async reach (count: number): Promise<string[]> {
    while (this.lines.length < count) await once(this, 'text')
    return this.lines
  }
}

async function run (
  command: CommandFunction, args: readonly string[], given: Partial<CommandIo> = {}
): Promise<{ code: number, lines: string[], errors: string[] }> {
  const stdout = new Collector()
  const stderr = new Collector()
  const code = await command(args, { stdout, stderr, isTTY: false, env: {}, ...given })
  return { code, lines: stdout.lines, errors: stderr.lines }
}

function storedLines (...files: string[]): string[] {
  return files.flatMap(file => readFileSync(file, 'utf8').split('\n').slice(0, -1))
}

/** Writes to a trail like a service that goes on. */
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

const terminal = { isTTY: true, env: { NO_COLOR: '1' } }

t.test('audit query prints the entries that match, as they are stored', async t => {
  const { path, files } = writeTrail(temporaryDirectory(t), { segments: [30, 40, 30] })
  const stored = storedLines(...files)
  const entries = stored.map(line => JSON.parse(line) as AuditEntry)
  const matching = (matches: (entry: AuditEntry) => boolean): string[] =>
    stored.filter((_line, i) => matches(entries[i] as AuditEntry))
  const cases: Array<[string[], (entry: AuditEntry) => boolean]> = [
    [[], () => true],
    [['--user', 'user-4'], entry => entry.userId === 'user-4'],
    [['--operation', 'store.insert'], entry => entry.operation === 'store.insert'],
    [['--resource', 'bücket-2'], entry => entry.resource === 'bücket-2'],
    [['--result', 'error'], entry => entry.result === 'error'],
    [
      ['--result', 'success', '--user=user-1'],
      entry => entry.result === 'success' && entry.userId === 'user-1'
    ],
    [
      ['--from', String(START + 20), '--to', String(START + 40)],
      entry => entry.timestamp >= START + 20 && entry.timestamp <= START + 40
    ],
    [
      ['--from', '2026-01-31T12:00:00.020Z', '--to', '2026-01-31T13:00:00.040+01:00'],
      entry => entry.timestamp >= START + 20 && entry.timestamp <= START + 40
    ],
    [['--to', '2026-01-31'], () => false]
  ]
  for (const [args, matches] of cases) {
    t.same(
      await run(auditQuery, [...args, path]),
      { code: 0, lines: matching(matches), errors: [] },
      args.join(' ')
    )
  }
  t.same(
    (await run(auditQuery, ['--limit', '5', '--result', 'error', path])).lines,
    matching(entry => entry.result === 'error').slice(0, 5)
  )
  t.same(
    (await run(auditQuery, ['--json', ...[...files].reverse()], terminal)).lines,
    stored,
    'of named segments, in order'
  )
})

t.test('people get aligned columns', async t => {
  const { path } = writeTrail(temporaryDirectory(t), { segments: [10] })
  const { code, lines } = await run(auditQuery, [path], terminal)
  t.equal(code, 0)
  t.equal(lines.length, 10)
  t.equal(
    lines[0],
    '2026-01-31T12:00:00.001Z  user-1            store.get                 bücket-1              success  192.0.2.1'
  )
  t.equal(
    lines[9],
    '2026-01-31T12:00:00.010Z  user-3            store.insert              bücket-0              error    192.0.2.1        no record 10'
  )
  t.match(lines[2], /Z {2}- +store/, 'nobody')
  const written = { ...numberedEntry(1), seq: 1, hash: '', revision: 7, epoch: 'e' }
  t.match(formatEntry(written, false), / 192\.0\.2\.1 +commit 7$/, 'with the commit of a write')
  t.same((await run(auditQuery, ['--pretty', path])).lines, lines, 'in a pipe when asked for')
  t.equal(
    (await run(auditQuery, ['--limit', '1', path], { isTTY: true })).lines[0]?.includes('\u001b[32msuccess'),
    true,
    'with colour'
  )
})

t.test('what strangers have written does nothing to a terminal', async t => {
  const bad = [
    '\u001b[2J',
    '\r\n',
    '\u0007',
    '\u007f',
    '\u009b',
    '\u202e',
    '\u2066',
    '\u200b',
    '\u2028',
    '\u00a0',
    '\u00ad',
    '\ufeff',
    '\u3164',
    '\u{e0041}',
    '\u2800',
    '\ufe0f',
    '\ud800'
  ]
  for (const text of bad) t.match(escapeText(`a${text}b`), /^a[\x20-\x7e]+b$/)
  t.equal(escapeText('Zoë, 東京 \\ 🙂'), 'Zoë, 東京 \\\\ 🙂')
  t.equal(escapeText('\u001b\\u{1b}'), '\\u{1b}\\\\u{1b}', 'no text looks like another one escaped')

  const text = bad.join('x')
  const { path } = writeTrail(temporaryDirectory(t), {
    segments: [1],
    entry: () => ({
      ...numberedEntry(1),
      timestamp: Number.MAX_SAFE_INTEGER,
      userId: text,
      operation: text,
      resource: text,
      result: 'error',
      error: text,
      remoteAddress: text
    })
  })
  const { lines } = await run(auditQuery, [path], terminal)
  t.equal(lines.length, 1)
  t.match(lines[0], /^9007199254740991 [\x20-\x7e\ufffd]+$/)
  t.match(
    (await run(auditQuery, [`${path}\u001b[2J`], terminal)).errors[0],
    /\\u\{1b\}\[2J/,
    'nor the name of a file'
  )
})

t.test('lines that are no entries are shown as such', async t => {
  const { path } = writeTrail(temporaryDirectory(t), { segments: [4] })
  const lines = storedLines(path)
  const [first, , third] = lines as [string, string, string]
  const bad = [
    '',
    '{"timestamp":1',
    'x'.repeat(100_000),
    first.replace('"success"', '"maybe"'),
    `{${first.slice(0, -80)}`,
    '\u001b[2J'
  ]
  writeFileSync(
    path,
    Buffer.concat([
      Buffer.from(`${first}\n${bad.join('\n')}\n`),
      Buffer.of(0xff),
      Buffer.from(`\n${third}\n{"torn`)
    ])
  )
  const piped = await run(auditQuery, [path])
  t.same({ code: piped.code, lines: piped.lines }, { code: 0, lines: [first, third] })
  t.same(piped.errors, [2, 3, 4, 5, 6, 7, 8, 10].map(line => `(no entry: ${path}, line ${line})`))
  const shown = await run(auditQuery, [path], terminal)
  t.same([shown.lines.length, shown.errors], [10, []])
  t.equal(shown.lines[1], `(no entry: ${path}, line 2)`)
})

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
    // Several at once: some segments are closed before anybody has seen them.
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

t.test('audit verify tells whether a trail is good', async t => {
  const directory = temporaryDirectory(t)
  const { path, sidecar, heads } = writeTrail(directory, {
    segments: [30, 40],
    checkpointEvery: 10,
    key: keys.privateKey
  })
  const keyFile = join(directory, 'audit.pem')
  writeFileSync(keyFile, keys.publicKey.export({ type: 'spki', format: 'pem' }))
  const good = await run(auditVerify, ['--public-key', keyFile, path])
  t.same([good.code, good.lines.length, good.errors], [0, 1, []])
  t.match(JSON.parse(good.lines[0] as string), {
    ok: true,
    entries: 70,
    lastHash: heads[2]?.hash,
    warnings: []
  })
  t.same((await run(auditVerify, ['--public-key', keyFile, path], terminal)).lines, [
    'good: 70 entries, 1 to 70', `last hash: ${heads[2]?.hash}`, 'checkpoints: 7, entries after the last: 0'
  ])
  renameSync(sidecar, join(directory, 'kept'))
  t.match((await run(auditVerify, [path], terminal)).lines[3], /^warning: there is no checkpoint/)
  t.equal(
    (await run(auditVerify, ['--checkpoints', join(directory, 'kept'), path], terminal)).lines.length,
    3
  )

  const lines = storedLines(path)
  writeFileSync(path, `${[...lines.slice(0, 3), ...lines.slice(4)].join('\n')}\n`)
  const bad = await run(auditVerify, [path])
  t.same(
    [bad.code, JSON.parse(bad.lines[0] as string)],
    [
      1,
      { ok: false, file: path, line: 4, seq: 34, problem: 'the line is entry 35, where entry 34 should be' }
    ]
  )
  t.same(await run(auditVerify, ['--pretty', path]), {
    code: 1,
    lines: [`bad: ${path}, line 4, entry 34: the line is entry 35, where entry 34 should be`],
    errors: []
  })
})

t.test('wrong usage and unreadable files are told in a line, with code 2', async t => {
  const directory = temporaryDirectory(t)
  const { path } = writeTrail(directory, { segments: [3] })
  mkdirSync(join(directory, 'folder.jsonl'))
  writeFileSync(join(directory, 'bad.pem'), 'no key')
  writeFileSync(join(directory, 'null.json'), 'null')
  writeFileSync(join(directory, 'half.json'), '{"stream":"audit","seq":3}')
  writeFileSync(join(directory, 'long.json'), ' '.repeat(100_000))
  const cases: Array<[CommandFunction, string[], RegExp]> = [
    [auditQuery, [], /a file or directory is missing/],
    [auditQuery, [''], /a file or directory is missing/],
    [auditQuery, ['--what', path], /--what/],
    [auditQuery, ['--result', 'maybe', path], /--result takes success or error/],
    [auditQuery, ['--from', 'yesterday', path], /--from takes/],
    [auditQuery, ['--to', '2026-13-45', path], /--to takes/],
    [auditQuery, ['--limit', '0', path], /--limit takes/],
    [auditQuery, ['--json', '--pretty', path], /exclude each other/],
    [auditQuery, [join(directory, 'missing.jsonl')], /ENOENT/],
    [auditTail, ['-n', '-1', path], /argument/],
    [auditTail, ['-n', 'all', path], /--lines takes/],
    [auditTail, [path, path], /one file/],
    [auditTail, [join(directory, 'folder.jsonl')], /is not a file/],
    [auditVerify, ['--public-key', path], /a file or directory is missing/],
    [auditVerify, ['--public-key', join(directory, 'bad.pem'), path], /.+/],
    [auditVerify, ['--checkpoints', join(directory, 'missing'), path], /ENOENT/],
    [auditVerify, ['--after', join(directory, 'missing'), path], /ENOENT/],
    [auditVerify, ['--after', join(directory, 'bad.pem'), path], /--after: .*bad\.pem must hold/],
    [auditVerify, ['--anchor', join(directory, 'null.json'), path], /--anchor: .* must hold one checkpoint/],
    [auditVerify, ['--after', join(directory, 'half.json'), path], /must hold one checkpoint/],
    [auditVerify, ['--after', join(directory, 'long.json'), path], /must hold one checkpoint/],
    [auditVerify, [join(directory, 'missing.jsonl')], /ENOENT/]
  ]
  for (const [command, args, message] of cases) {
    const { code, lines, errors } = await run(command, args)
    t.same([code, lines], [2, []], args.join(' '))
    t.match(errors[0], message)
    t.match(errors[0], /^fastify-noex: /)
  }
})

t.test('every command tells how it is used', async t => {
  for (const [name, command] of [
    ['tail', auditTail],
    ['query', auditQuery],
    ['verify', auditVerify]
  ] as const) {
    const { code, lines } = await run(command, ['--help'])
    t.equal(code, 0)
    t.match(lines[0], new RegExp(`^Usage: fastify-noex audit ${name} \\[options\\] FILE`))
  }
})

t.test('output that fails ends a command', async t => {
  const { path } = writeTrail(temporaryDirectory(t), { segments: [5_000] })
  const failing = (code: string): Writable =>
    new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, done) => { setImmediate(done, Object.assign(new Error(code), { code })) }
    })
  t.same(
    (await run(auditQuery, [path], { stdout: failing('EPIPE') })).code,
    0,
    'quietly when nobody reads any more'
  )
  const { code, errors } = await run(auditQuery, [path], { stdout: failing('ENOSPC') })
  t.same([code, errors], [2, ['fastify-noex: ENOSPC']])
})

t.test('the program fastify-noex', { timeout: 120_000 }, async t => {
  const main = [...process.execArgv, fileURLToPath(new URL('../../../lib/cli/main.js', import.meta.url))]
  const { path, files } = writeTrail(temporaryDirectory(t), { segments: [30, 4_000] })
  const execute = async (...args: string[]): Promise<{ code: number, stdout: string, stderr: string }> => {
    return await promisify(execFile)(process.execPath, [...main, ...args], { maxBuffer: 2 ** 25 }).then(
      output => ({ code: 0, ...output }),
      error => error as { code: number, stdout: string, stderr: string }
    )
  }

  t.test('runs the commands', async t => {
    t.match(await execute('audit', 'query', path), {
      code: 0,
      stdout: readFileSync(files[0] as string, 'utf8') + readFileSync(path, 'utf8'),
      stderr: ''
    })
    t.match(await execute('audit', 'verify', path), { code: 0, stdout: /^\{"ok":true,.*\}\n$/, stderr: '' })
    writeFileSync(path, readFileSync(path).subarray(0, -1))
    t.match(await execute('audit', 'verify', path), { code: 1, stdout: /^\{"ok":false,.*\}\n$/, stderr: '' })
  })

  t.test('imports a folder, and tells people', async t => {
    const directory = join(temporaryDirectory(t), 'data')
    cpSync(projectFile('test/fixtures/noex-server'), directory, { recursive: true })
    const told = [
      `Store "production": 4 buckets with 7 records are in the log in ${directory}-log now.`,
      '  _users         1', '  customers      2', '  orders         3', '  user.sessions  1',
      'The old files are where they were.',
      'Left alone: my_bucket_list.json, production_backup_nightly.json, rules.json'
    ]
    const options = ['--pretty', '--into', `${directory}-log`, '--rename', 'user_sessions=user.sessions']
    const outcome = await execute('import', ...options, directory)
    t.match(outcome, { code: 0, stdout: `${told.join('\n')}\n`, stderr: '' })
    const pretty = await execute('import', '--pretty', directory)
    t.match(pretty, { code: 0, stdout: /in \S+data\/before-import\.\n/ })
    const again = `Nothing is left to import: ${directory} has a log.\n`
    t.match(await execute('import', '--pretty', directory), { code: 0, stdout: again, stderr: '' })
  })

  t.test('tells how it is used', async t => {
    t.match(await execute('--help'), { code: 0, stdout: /^Usage: fastify-noex COMMAND/ })
    t.match(await execute('audit', '--help'), { code: 0, stdout: /^Usage: fastify-noex COMMAND/ })
    t.match(await execute('audit'), { code: 2, stdout: '', stderr: /a command is missing/ })
    t.match(await execute('erase', path), { code: 2, stdout: '', stderr: /there is no command erase\n/ })
    t.match(await execute('audit', 'erase', path), {
      code: 2,
      stdout: '',
      stderr: /there is no command audit erase/
    })
    const help = await execute('import', '--help')
    t.match(help, { code: 0, stdout: /^Usage: fastify-noex import \[options\] DIR/ })
    t.match(await execute('import'), { code: 2, stdout: '', stderr: /is missing/ })
    t.match(await execute('import', '/a', '/b'), { code: 2, stderr: /import takes one folder/ })
    t.match(await execute('import', '--into', '', '/a'), { code: 2, stderr: /--into takes a folder/ })
    for (const wrong of ['a', '=b', 'a=']) {
      t.match(await execute('import', '--rename', wrong, '/a'), { code: 2, stderr: /--rename takes OLD=NEW/ })
    }
    const none = await execute('import', '/none')
    t.match(none, { code: 2, stdout: '', stderr: /^fastify-noex: \/none is not a folder/ })
  })

  t.test('ends quietly when its reader does', async t => {
    const child = spawn(process.execPath, [...main, 'audit', 'query', path], {
      stdio: ['ignore', 'pipe', 'pipe']
    })
    let errors = ''
    child.stderr.on('data', chunk => { errors += String(chunk) })
    const closed = once(child, 'close')
    await once(child.stdout, 'data')
    child.stdout.destroy()
    t.same(await closed, [0, null])
    t.equal(errors, '')
  })
  t.end()
})
