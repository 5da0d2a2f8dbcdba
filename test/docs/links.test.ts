import { existsSync, readdirSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'
import t from 'tap'
import { projectFile } from '../project-file.js'
import { anchorOf, documentText, sectionsOf } from './protocol-exchanges.js'

const root = projectFile('')
const inDocs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.md'))
  .map(name => join('docs', name))
const documents = ['PROTOCOL.md', 'SECURITY.md', 'CHANGELOG.md', ...inDocs]

t.test('links of documents lead to files, and to headings of them', async t => {
  for (const path of documents) {
    const text = documentText(path).replace(/```[^]*?```/g, '')
    for (const [link, target = '', anchor] of text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([\w-]+))?\)/g)) {
      const file = target === '' ? path : normalize(join(dirname(path), target))
      t.ok(existsSync(join(root, file)), `${path}: ${link}`)
      if (anchor === undefined || !file.endsWith('.md')) continue
      const anchors = sectionsOf(documentText(file)).map(({ heading }) => anchorOf(heading))
      t.ok(anchors.includes(anchor), `${path}: ${link}`)
    }
  }
})

t.test('each decision is in the index of decisions', async t => {
  const index = documentText('docs/decisions/README.md')
  const pages = inDocs.filter(path => dirname(path) === 'docs/decisions').map(path => basename(path))
  for (const page of pages.filter(name => name !== 'README.md')) t.ok(index.includes(`](${page})`), page)
  t.ok(pages.length > 10, 'there are decisions')
})
