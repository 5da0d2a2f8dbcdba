import { Type } from 'typebox'
import { JsonObject, MaybeObject, Name } from '../protocol/fields.js'
import type { RequestMessage } from '../protocol/messages.js'
import { defineOperation, memberIn, nameIn, type Operation, type ResourcesOf } from './operation.js'

const Named = Type.Object({ name: Name })

function touchesProcedure (named: (request: RequestMessage) => unknown): ResourcesOf {
  return (request, { operation, tier }) => [
    { operation, tier, type: 'procedure', name: nameIn(named(request)), records: false }
  ]
}

const touchesNamed = touchesProcedure(request => request['name'])
const touchesGiven = touchesProcedure(request => memberIn(request['procedure'], 'name'))

/** The operations of the `procedures` namespace. PROTOCOL.md, "Procedures". */
export const procedures: readonly Operation[] = [
  defineOperation({
    name: 'procedures.register',
    tier: 'admin',
    request: Type.Object({ procedure: JsonObject }),
    resources: touchesGiven,
    details: request => runAsIn(request['procedure']),
    run: async ({ procedures }, { procedure }, grant) => ({
      name: await procedures.register(procedure, grant),
      registered: true
    })
  }),
  defineOperation({
    name: 'procedures.unregister',
    tier: 'admin',
    request: Named,
    resources: touchesNamed,
    async run ({ procedures }, { name }, grant) {
      await procedures.unregister(name, grant)
      return { name, unregistered: true }
    }
  }),
  defineOperation({
    name: 'procedures.update',
    tier: 'admin',
    request: Type.Object({ name: Name, updates: JsonObject }),
    resources: touchesNamed,
    details: request => runAsIn(request['updates']),
    async run ({ procedures }, { name, updates }, grant) {
      await procedures.update(name, updates, grant)
      return { name, updated: true }
    }
  }),
  defineOperation({
    name: 'procedures.get',
    tier: 'read',
    request: Named,
    resources: touchesNamed,
    run: async ({ procedures }, { name }) => procedures.get(name).procedure.definition
  }),
  defineOperation({
    name: 'procedures.list',
    tier: 'admin',
    request: Type.Object({}),
    resources: touchesProcedure(() => '*'),
    run: async ({ procedures }) => ({ procedures: procedures.list() })
  }),
  defineOperation({
    name: 'procedures.call',
    tier: 'write',
    request: Type.Object({ name: Name, input: MaybeObject }),
    resources: touchesNamed,
    run: async (services, { name, input }, grant) =>
      await services.procedures.call(name, input ?? {}, grant, services)
  })
]

/** Whose rights a definition asks for: what an auditor looks for first. */
function runAsIn (definition: unknown): Readonly<Record<string, unknown>> | undefined {
  const runAs = memberIn(definition, 'runAs')
  return runAs === 'owner' || runAs === 'caller' ? { runAs } : undefined
}
