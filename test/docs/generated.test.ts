import { spawnSync } from 'node:child_process'
import t from 'tap'
import { noexOptions } from '../../lib/options/options.js'
import { builtInOptions, externalOptions, gatewayAuthOptions } from '../../lib/auth/auth-options.js'
import { jwtOptions } from '../../lib/auth/jwt-options.js'
import { auditOptions } from '../../lib/audit/audit-options.js'
import { jsonlOptions } from '../../lib/audit/file/jsonl-sink.js'
import { postgresOptions } from '../../lib/audit/postgres/postgres-sink.js'
import { rateLimitOptions } from '../../lib/limits/rate-limit-options.js'
import { isGroup, type OptionGroup } from '../../lib/util/option-schema.js'
import { readDocument } from '../support/documents.js'
import { projectFile } from '../support/project-file.js'

t.test('the generated parts of the documents are as npm run docs writes them', async t => {
  const check = spawnSync(process.execPath, [projectFile('scripts/docs.js'), '--check'], { encoding: 'utf8' })
  t.equal(check.status, 0, check.stderr)
})

t.test('docs/options.md has each option of each group', async t => {
  const rows = readDocument('docs/options.md').matchAll(/^\| `([\w.]+)` \|/gm)
  const names = new Set([...rows].map(([, name]) => name))
  const groups = {
    noexOptions,
    externalOptions,
    gatewayAuthOptions,
    builtInOptions,
    jwtOptions,
    auditOptions,
    jsonlOptions,
    postgresOptions,
    rateLimitOptions
  }
  for (const [group, { members }] of Object.entries(groups)) {
    for (const name of namesIn(members)) t.ok(names.has(name), `${group}: ${name}`)
  }
})

/** Returns the paths of the options of a group, and of the groups within it that have rows of their own. */
function namesIn (members: OptionGroup<unknown>['members']): string[] {
  return Object.entries(members).flatMap(([name, schema]) => {
    const isNested = isGroup(schema) && !('isOptional' in schema) && name !== 'policy'
    return isNested ? namesIn(schema.members).map(inner => `${name}.${inner}`) : [name]
  })
}
