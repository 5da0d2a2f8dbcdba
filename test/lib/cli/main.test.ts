import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import t from 'tap'
import { auditQuery } from '../../../lib/cli/audit-query.js'
import { auditTail } from '../../../lib/cli/audit-tail.js'
import { auditVerify } from '../../../lib/cli/audit-verify.js'
import type { CommandFunction } from '../../../lib/cli/command.js'
import { writeTrail } from '../../support/audit-trail-files.js'
import { projectFile } from '../../support/project-file.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { execute, programEnv, programFile, run } from '../../support/command-line.js'

t.test('wrong usage and unreadable files are reported in one line, with code 2', async t => {
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

t.test('every command prints its usage', async t => {
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
    'quietly when the reader has closed the pipe'
  )
  const { code, errors } = await run(auditQuery, [path], { stdout: failing('ENOSPC') })
  t.same([code, errors], [2, ['fastify-noex: ENOSPC']])
})

t.test('the program fastify-noex', { timeout: 120_000 }, async t => {
  const { path, files } = writeTrail(temporaryDirectory(t), { segments: [30, 4_000] })

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

  t.test('imports a folder, and prints a report', async t => {
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

  t.test('prints its usage', async t => {
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
    const child = spawn(process.execPath, [programFile, 'audit', 'query', path], {
      env: programEnv,
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
