import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { projectFile } from '../support/project-file.js'
import { readDocument } from '../support/documents.js'

const root = projectFile('')
const packages = readdirSync(join(root, 'packages')).map(name => `packages/${name}/test`)

/** The tags in the tests of a folder: those of `[G-B3]`, and both of `[G-D2, G-D11]`. */
function tagsIn (folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile() && entry.name.endsWith('.ts') && entry.name !== 'known-faults.test.ts')
    .map(entry => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .flatMap(text => [...text.matchAll(/\[(G-[^\]\n]*)\]/g)])
    .flatMap(([, tags = '']) => tags.split(', '))
}

t.test('docs/known-faults.md has the tags that tests use, and no other', async t => {
  const used = new Set(['test', ...packages].flatMap(tagsIn))
  const rows = readDocument('docs/known-faults.md').matchAll(/^\| (G-\w+) \|/gm)
  t.ok(used.size > 80, 'there are tags')
  t.same([...rows].map(([, tag]) => tag).sort(), [...used].sort(), 'each once')
})
