import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { scanLines, scanLinesBackwards, type RawLine } from '../src/index.js'

function fileOf (t: Test, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'noex-scan-'))
  t.teardown(async () => { await rm(directory, { recursive: true }) })
  const path = join(directory, 'file')
  writeFileSync(path, text)
  return path
}

type Seen = readonly [text: string | undefined, ended: boolean]
const seenOf = ({ bytes, ended }: RawLine): Seen => [bytes?.toString(), ended]

test('lines are read backwards as they are read forwards', async t => {
  const long = 'x'.repeat(1_048_576)
  const texts = [
    '', '\n', '\n\n', 'a', 'a\n', 'a\nb', 'a\nb\n', '\na\n\nb\n', 'ž\n€',
    `${long}\n`, `a\n${long}b\nc\n`, `${long}${long}${long}\n${long}`,
    `a\n${long.slice(1)}\n${long.slice(2)}\n`
  ]
  for (const text of texts) {
    const path = fileOf(t, text)
    for (const max of [2, 1_048_576, 4_194_304]) {
      const [forwards, backwards]: Seen[][] = [[], []]
      scanLines(path, 0, max, line => (forwards as Seen[]).push(seenOf(line)) > 0)
      scanLinesBackwards(path, max, line => (backwards as Seen[]).push(seenOf(line)) > 0)
      const isSame = JSON.stringify(backwards?.reverse()) === JSON.stringify(forwards)
      t.ok(isSame, `${text.length} characters, ${max}`)
    }
  }
})

test('reading backwards ends when it is told to, and where there is no file', async t => {
  const seen: Seen[] = []
  scanLinesBackwards(fileOf(t, 'a\nb\nc\nd'), 10, line => seen.push(seenOf(line)) < 3)
  t.same(seen, [['d', false], ['c', true], ['b', true]])
  scanLinesBackwards('/nowhere/at/all', 10, () => t.fail('there is nothing'))
})
