import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { differencesTable } from './differences.js'

const document = new URL('../../../docs/differences.md', import.meta.url)

test('the document of differences has the rows of the differential test', async t => {
  t.ok(readFileSync(document, 'utf8').endsWith(`\n\n${differencesTable()}\n`))
})
