import { readFileSync } from 'node:fs'
import t from 'tap'
import { readDocument } from '../support/documents.js'
import { projectFile } from '../support/project-file.js'

/** The chapters for operators, each with the test that runs its steps. */
const chapters = ['backup-and-restore', 'incident', 'capacity', 'upgrading']

/** Code of `upgrading` that test/integration/upgrading.test.ts runs. */
const elsewhere = ['test/integration/upgrading.test.ts']

t.test('each command of the chapters for operators is a sample, which its test runs', async t => {
  for (const name of chapters) {
    const text = readDocument(`docs/${name}.md`)
    const blocks = text.match(/^ *```(?:sh|js|bash)$/gm) ?? []
    const samples = [...text.matchAll(/^<!-- sample: ([\w-]+) -->\n```(?:sh|js|text)$/gm)].map(([, id = '']) => id)
    t.ok(samples.length >= blocks.length, `${name}: no block of code without a sample`)
    const tests = [`test/docs/${name}.test.ts`, ...(name === 'upgrading' ? elsewhere : [])]
    const code = tests.map(file => readFileSync(projectFile(file), 'utf8')).join('\n')
    for (const id of samples) t.ok(code.includes(`'${id}'`), `${name}: ${id}`)
  }
})
