import t from 'tap'
import { compile } from '../support/compile.js'
import { sample } from '../support/documents.js'

const document = 'docs/client-types.md'

t.test('its samples compile, and their wrong lines are refused', async t => {
  const names = ['schema', 'client', 'queries', 'shop']
  const modules = Object.fromEntries(names.map(name => [name, sample(document, name)]))
  // The server's own declarations need those of Node.
  t.same(await compile(t, modules, { skipLibCheck: true }), [])
})
