import type { ProcedureDefinition } from '../../lib/procedures/procedure.js'
import type { TestClient } from './client.js'

export const addItem: ProcedureDefinition = {
  name: 'add',
  steps: [{ action: 'store.insert', bucket: 'items', data: { id: '{{ input.id }}' }, as: 'item' }]
}

export const listItems: ProcedureDefinition = {
  name: 'list',
  steps: [
    { action: 'store.where', bucket: 'items', filter: {}, as: 'items' },
    { action: 'transform', source: 'items', operation: 'pluck', args: 'id', as: 'ids' },
    { action: 'return', value: '{{ ids }}' }
  ]
}

/** Gives a user access to a procedure. */
export async function grantProcedure (
  root: TestClient,
  subjectId: string,
  resourceName: string,
  ...operations: string[]
): Promise<void> {
  await root.ask('identity.grant', {
    subjectType: 'user',
    subjectId,
    resourceType: 'procedure',
    resourceName,
    operations
  })
}

/** Adds a role with these permissions. */
export async function createRole (root: TestClient, name: string, ...permissions: object[]): Promise<void> {
  await root.ask('identity.createRole', { name, permissions })
}

export const callProcedure = async (client: TestClient, name: string, input: object = {}): Promise<any> =>
  await client.request('procedures.call', { name, input })

export const addAsOwner: ProcedureDefinition = { ...addItem, name: 'add-as-owner', runAs: 'owner' }
