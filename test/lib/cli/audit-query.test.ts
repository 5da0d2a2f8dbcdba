import { writeFileSync } from 'node:fs'
import t from 'tap'
import type { AuditEntry } from '../../../lib/audit/entry.js'
import { auditQuery } from '../../../lib/cli/audit-query.js'
import { escapeText, formatEntry } from '../../../lib/cli/print.js'
import { START, numberedEntry, writeTrail } from '../../support/audit-trail-files.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { run, storedLines, terminal } from '../../support/command-line.js'

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
    '2026-01-31T12:00:00.001Z  user-1            store.get                 ' +
      'bücket-1              success  192.0.2.1'
  )
  t.equal(
    lines[9],
    '2026-01-31T12:00:00.010Z  user-3            store.insert              ' +
      'bücket-0              error    192.0.2.1        no record 10'
  )
  t.match(lines[2], /Z {2}- +store/, 'no user')
  const written = { ...numberedEntry(1), seq: 1, hash: '', revision: 7, epoch: 'e' }
  t.match(formatEntry(written, false), / 192\.0\.2\.1 +commit 7$/, 'with the commit of a write')
  t.same((await run(auditQuery, ['--pretty', path])).lines, lines, 'in a pipe when asked for')
  t.equal(
    (await run(auditQuery, ['--limit', '1', path], { isTTY: true })).lines[0]?.includes('\u001b[32msuccess'),
    true,
    'with colour'
  )
})

t.test('untrusted text does nothing to a terminal', async t => {
  const bad = [
    '\u001b[2J', '\r\n', '\u0007', '\u007f', '\u009b', '\u202e', '\u2066', '\u200b', '\u2028', '\u00a0',
    '\u00ad', '\ufeff', '\u3164', '\u{e0041}', '\u2800', '\ufe0f', '\ud800'
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

t.test('lines that are not entries are reported', async t => {
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
