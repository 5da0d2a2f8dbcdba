import { Type } from 'typebox'
import { JsonObject, MaybeObject, Name } from '../protocol/fields.js'
import type { RequestMessage } from '../protocol/messages.js'
import { defineOperation, memberIn, nameIn, type Operation, type ResourcesOf } from './operation.js'

const Named = Type.Object({ name: Name })

function namedProcedure (named: (request: RequestMessage) => unknown): ResourcesOf {
  return (request, { operation, tier }) => [
    { operation, tier, type: 'procedure', name: nameIn(named(request)), records: false }
  ]
}

const byName = namedProcedure(request => request['name'])
const byDefinition = namedProcedure(request => memberIn(request['procedure'], 'name'))

/** The operations of the `procedures` namespace. PROTOCOL.md, "Procedures". */
export const procedures: readonly Operation[] = [
  defineOperation({
    name: 'procedures.register',
    tier: 'admin',
    takesKey: true,
    request: Type.Object({ procedure: JsonObject }),
    resources: byDefinition,
    details: request => runAsIn(request['procedure']),
    run: async ({ server: { procedures }, grant }, { procedure }) => ({
      name: await procedures.register(procedure, grant),
      registered: true
    })
  }),
  defineOperation({
    name: 'procedures.unregister',
    tier: 'admin',
    takesKey: true,
    request: Named,
    resources: byName,
    async run ({ server: { procedures }, grant }, { name }) {
      await procedures.unregister(name, grant)
      return { name, unregistered: true }
    }
  }),
  defineOperation({
    name: 'procedures.update',
    tier: 'admin',
    takesKey: true,
    request: Type.Object({ name: Name, updates: JsonObject }),
    resources: byName,
    details: request => runAsIn(request['updates']),
    async run ({ server: { procedures }, grant }, { name, updates }) {
      await procedures.update(name, updates, grant)
      return { name, updated: true }
    }
  }),
  defineOperation({
    name: 'procedures.get',
    tier: 'read',
    request: Named,
    resources: byName,
    run: async ({ server: { procedures } }, { name }) => procedures.get(name).procedure.definition
  }),
  defineOperation({
    name: 'procedures.list',
    tier: 'admin',
    request: Type.Object({}),
    resources: namedProcedure(() => '*'),
    run: async ({ server: { procedures } }) => ({ procedures: procedures.list() })
  }),
  defineOperation({
    name: 'procedures.call',
    tier: 'write',
    takesKey: true,
    // Its result may show what it has read.
    isChange: false,
    request: Type.Object({ name: Name, input: MaybeObject }),
    resources: byName,
    run: async (context, { name, input }) =>
      await context.server.procedures.call(name, input ?? {}, context),
    rightsOfSteps: ({ name }, context) => context.server.procedures.rightsOf(name, context)
  })
]

/** Returns the `runAs` of a definition for the audit. */
function runAsIn (definition: unknown): Readonly<Record<string, unknown>> | undefined {
  const runAs = memberIn(definition, 'runAs')
  return runAs === 'owner' || runAs === 'caller' ? { runAs } : undefined
}
