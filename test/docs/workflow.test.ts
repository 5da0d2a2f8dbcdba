import t from 'tap'
import { parse } from 'yaml'
import { readDocument } from '../support/documents.js'

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>
  readonly jobs: Readonly<Record<string, {
    readonly container: { readonly image: string }
    readonly services: Readonly<Record<string, unknown>>
    readonly env: Readonly<Record<string, string>>
    readonly steps: ReadonlyArray<{ readonly run?: string }>
  }>>
}

t.test('the workflow of GitHub runs .ci/run on each push and pull request', async t => {
  const workflow = parse(readDocument('.github/workflows/ci.yml')) as Workflow
  t.same(Object.keys(workflow.on), ['push', 'pull_request'])
  const [job] = Object.values(workflow.jobs)
  t.ok(job?.steps.some(({ run }) => run === 'bash .ci/run'))
  const database = new URL(job?.env['DATABASE_URL'] ?? '')
  t.ok(Object.hasOwn(job?.services ?? {}, database.hostname), 'the tests have their database')
})

t.test('it runs on the Node of .nvmrc, which is the lowest that the package supports', async t => {
  const [version = ''] = readDocument('.nvmrc').split('\n')
  const { engines } = JSON.parse(readDocument('package.json')) as { engines: { node: string } }
  t.ok(engines.node.startsWith(`>=${version}.`), engines.node)
  const { jobs } = parse(readDocument('.github/workflows/ci.yml')) as Workflow
  for (const { container } of Object.values(jobs)) t.match(container.image, `node:${version}-`)
})

t.test('forms for issues are YAML', async t => {
  for (const name of ['bug', 'feature', 'config']) {
    t.doesNotThrow(() => parse(readDocument(`.github/ISSUE_TEMPLATE/${name}.yml`)) as unknown, name)
  }
})
