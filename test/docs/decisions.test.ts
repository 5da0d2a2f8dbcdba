import { readdirSync } from 'node:fs'
import t from 'tap'
import { readDocument } from '../support/documents.js'
import { projectFile } from '../support/project-file.js'

t.test('each decision is in the index of decisions, and is a page of at most 60 lines', async t => {
  const index = readDocument('docs/decisions/README.md')
  const pages = readdirSync(projectFile('docs/decisions')).filter(name => name !== 'README.md')
  t.ok(pages.length > 10, 'there are decisions')
  for (const page of pages) {
    const text = readDocument(`docs/decisions/${page}`)
    t.ok(index.includes(`](${page})`), page)
    t.ok(text.split('\n').length <= 60, `${page} is short`)
    for (const part of ['Context', 'Decision', 'Consequences']) {
      t.match(text, `**${part}.**`, `${part}: ${page}`)
    }
  }
})
