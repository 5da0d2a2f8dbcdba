import t from 'tap'
import { closeReasons, ErrorCode } from '../../lib/index.js'
import { operations } from '../../lib/operations/registry.js'
import { readDocument } from '../support/documents.js'

t.test('PROTOCOL.md names every operation, code and close', async t => {
  const protocol = readDocument('PROTOCOL.md')
  for (const { name } of operations.values()) {
    const short = name.replace('store.', '')
    t.ok(protocol.includes(`\`${name}\``) || protocol.includes(`\`${short}\``), name)
  }
  for (const code of Object.keys(ErrorCode)) t.match(protocol, new RegExp(`\\| \`${code}\` \\|`), code)
  for (const { code, reason } of Object.values(closeReasons)) {
    t.match(protocol, new RegExp(`\\| ${code} \\| \`${reason}\``), reason)
  }
})
