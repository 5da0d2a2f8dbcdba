import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { projectFile } from '../support/project-file.js'
import { documentPaths, readDocument } from '../support/documents.js'

/** Returns the text of a document without its blocks of code. */
const proseOf = (path: string): string => readDocument(path).replace(/^( *)```[^]*?^\1```/gm, '')

/** Returns the anchors that GitHub gives to the headings of a document. */
function anchorsOf (path: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, title = ''] of proseOf(path).matchAll(/^#+ (.+)$/gm)) {
    const anchor = title.replace(/\[(.+?)\]\(.*?\)/g, '$1').toLowerCase()
      .replace(/[^\p{L}\p{N}_\s-]/gu, '').replaceAll(' ', '-')
    let [unique, count] = [anchor, 0]
    while (anchors.has(unique)) unique = `${anchor}-${++count}`
    anchors.add(unique)
  }
  return anchors
}

t.test('every link of a document leads to a file and a heading', async t => {
  const paths = documentPaths()
  for (const path of ['README.md', 'PROTOCOL.md', 'SECURITY.md', 'CHANGELOG.md', 'docs/auth.md',
    'docs/decisions/own-store.md', 'packages/noex-store/docs/differences.md']) {
    t.ok(paths.includes(path), `${path} is looked at`)
  }
  let count = 0
  for (const path of paths) {
    for (const [, link = ''] of proseOf(path).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)) {
      count++
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? path : join(dirname(path), file)
      if (!existsSync(projectFile(target))) t.fail(`${path}: ${link} is no file`)
      else if (anchor !== undefined) t.ok(anchorsOf(target).has(anchor), `${path}: ${link}`)
      else t.pass(`${path}: ${link}`)
    }
  }
  t.ok(count > 200, `${count} links`)
})

t.test('the pictures of docs/ have at most 200 KB', async t => {
  const pictures = [...readDocument('README.md').matchAll(/!\[.+?\]\((.+?)\)/g)].map(([, path = '']) => path)
  t.equal(pictures.length, 1)
  for (const path of pictures) t.ok(statSync(projectFile(path)).size <= 200_000, path)
})
