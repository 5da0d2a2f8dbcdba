import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import t from 'tap'
import { projectFile } from '../support/project-file.js'
import { readDocument } from '../support/documents.js'
import { sectionsOf } from '../support/protocol-exchanges.js'

const root = projectFile('')

/** Files of the project that people write, not those that npm or the compiler has made. */
function filesIn (folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile() && /\.(?:ts|js|md)$/.test(entry.name))
    .map(entry => relative(root, join(entry.parentPath, entry.name)))
    .filter(path => !/(?:^|\/)(?:node_modules|dist)\//.test(path))
}

/** The headings that a text names after `PROTOCOL.md,`; comments may break them over two lines. */
function pointersIn (text: string): string[] {
  const plain = text.replace(/\n\s*(?:\*|\/\/)?\s*/g, ' ')
  return [...plain.matchAll(/PROTOCOL\.md\)?(?:\([^)]*\))?,? ((?:"[^"]+"(?:, | and )?)+)/g)]
    .flatMap(([, names = '']) => [...names.matchAll(/"([^"]+)"/g)].map(([, name]) => name as string))
}

t.test('pointers are read from comments and sentences', async t => {
  t.same(pointersIn('/** Decides. PROTOCOL.md, "Error\n * codes". */'), ['Error codes'])
  t.same(pointersIn('PROTOCOL.md, "Bucket definitions" and "Queries".'), ['Bucket definitions', 'Queries'])
  t.same(pointersIn('see PROTOCOL.md'), [])
})

t.test('a heading of PROTOCOL.md that code or documents name exists', async t => {
  const headings = new Set(sectionsOf(readDocument('PROTOCOL.md')).map(({ heading }) => heading))
  const folders = ['lib', 'routes', 'packages', 'docs', 'test']
  const own = 'test/docs/protocol-pointers.test.ts'
  const written = folders.flatMap(filesIn).filter(path => path !== own)
  const files = [...written, 'README.md', 'SECURITY.md', 'CHANGELOG.md']
  let count = 0
  for (const path of files) {
    for (const name of pointersIn(readFileSync(join(root, path), 'utf8'))) {
      count++
      t.ok(headings.has(name), `${path}: "${name}"`)
    }
  }
  t.ok(count > 40, `${count} pointers`)
})
