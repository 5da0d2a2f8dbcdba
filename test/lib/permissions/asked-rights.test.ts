import t from 'tap'
import { AskedRights, hasSameRights } from '../../../lib/permissions/asked-rights.js'
import type { OperationAccess } from '../../../lib/permissions/policy.js'

const read = (bucket: string): OperationAccess => ({
  name: 'store.get',
  tier: 'read',
  accessLevel: 'permission',
  resources: () => [{ operation: 'store.get', tier: 'read', type: 'bucket', name: bucket, records: true }]
})
const request = { id: 1, type: 'store.get' }

t.test('rights are the same while each answer is', t => {
  const asked = new AskedRights()
  t.ok(hasSameRights(asked.textWith('own') as string, 'own', () => { throw new Error('there are none') }))
  t.notOk(hasSameRights(asked.textWith('own') as string, 'others', () => ''))
  for (const bucket of ['a', 'b', 'a']) asked.add(read(bucket), request, `rows of ${bucket}`)
  const text = asked.textWith('own') as string
  const answers = (operation: OperationAccess): string => {
    const [resource] = operation.resources(request)
    t.match(operation, { name: 'store.get', tier: 'read' })
    t.match(resource, { operation: 'store.get', type: 'bucket', records: true })
    return `rows of ${String(resource?.name)}`
  }
  t.ok(hasSameRights(text, 'own', answers))
  t.notOk(hasSameRights(text, 'own', operation => `${answers(operation)} `))
  t.notOk(hasSameRights(text, 'own', () => { throw new Error('FORBIDDEN') }))
  for (const bad of ['', '[', 'x', '{}', '[5]', '[[1,2]]']) t.notOk(hasSameRights(bad, 'own', answers), bad)
  t.end()
})

t.test('too many are not kept', t => {
  const asked = new AskedRights()
  for (let i = 0; i < 1_000; i++) asked.add(read(`bucket ${i}`), request, '')
  t.equal(asked.textWith('own'), undefined)
  t.end()
})
