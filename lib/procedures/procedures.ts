import type { Grant } from '../permissions/grant.js'
import { NoexServerError, NothingNamedError } from '../protocol/errors.js'
import type { Identity } from '../identity/identity.js'
import type { Log } from '../util/log.js'
import { NoexOptionsError } from '../util/option-schema.js'
import type { ListedProcedure, OperationContext, ProcedureService } from '../operations/context.js'
import type { Operation } from '../operations/operation.js'
import type { SharedStore } from '../store/shared-store.js'
import { isSystemBucket } from '../store/system-buckets.js'
import type { Call } from './call.js'
import { Deadline } from './deadline.js'
import { invalidDefinition, requireDefinition } from './definition.js'
import { execute, type Outcome } from './execution.js'
import { checkInput } from './input.js'
import type { Procedure } from './procedure.js'
import type { ResolvedProcedures } from './procedure-options.js'
import { ProcedureRegistry, type Registered } from './registry.js'
import { authorOfUpdate, forgetLostProcedures, rightsFor, runsAsOwner, takeOwnership } from './rights.js'

/** The parts of the service that procedures work with. */
export interface ProceduresEnvironment {
  readonly log: Log
  readonly identity: Identity | undefined
  /** All operations by name, which steps run. */
  readonly operations: ReadonlyMap<string, Operation>
}

/** The procedures of one service. PROTOCOL.md, "Procedures". */
export class Procedures implements ProcedureService {
  readonly #registry: ProcedureRegistry
  readonly #sharedStore: SharedStore
  readonly #options: ResolvedProcedures
  readonly #environment: ProceduresEnvironment

  private constructor (
    registry: ProcedureRegistry,
    sharedStore: SharedStore,
    options: ResolvedProcedures,
    environment: ProceduresEnvironment
  ) {
    this.#registry = registry
    this.#sharedStore = sharedStore
    this.#options = options
    this.#environment = environment
  }

  /**
   * Loads the procedures of the store and adds those of the options. Rejects when that fails, and leaves
   * nothing behind.
   */
  static async open (
    sharedStore: SharedStore,
    options: ResolvedProcedures,
    environment: ProceduresEnvironment
  ): Promise<Procedures> {
    const { log, identity } = environment
    options.definitions.forEach(({ buckets }, index) => {
      const hidden = buckets.find(({ bucket }) => isSystemBucket(bucket, sharedStore))
      if (hidden !== undefined) {
        throw new NoexOptionsError(
          `procedures.definitions[${index}].${hidden.path}`,
          `must not be "${hidden.bucket}", a system bucket`
        )
      }
    })
    const registry = await ProcedureRegistry.open(sharedStore.store, log)
    let isPinned = false
    try {
      registry.pin(options.definitions)
      isPinned = true
      for (const { name } of options.definitions) await replaceStored(registry, name, environment)
      if (identity !== undefined) await forgetLostProcedures(identity, name => registry.hasStored(name))
      return new Procedures(registry, sharedStore, options, environment)
    } catch (error) {
      if (isPinned) registry.unpin(options.definitions)
      await registry.close()
      throw error
    }
  }

  /** Removes the procedures of the options; those of clients stay in the store. */
  async close (): Promise<void> {
    this.#registry.unpin(this.#options.definitions)
    await this.#registry.close()
  }

  /** @throws `NOT_FOUND` */
  get (name: string): Registered {
    const registered = this.#registry.find(name)
    if (registered === undefined) throw new NothingNamedError('procedure', name)
    return registered
  }

  list (): ListedProcedure[] {
    return this.#registry.all().map(({ procedure: { name, definition: { description, steps } } }) =>
      ({ name, ...(description !== undefined && { description }), stepsCount: steps.length }))
  }

  async register (definition: unknown, grant: Grant): Promise<string> {
    const { identity } = this.#environment
    const procedure = this.#check(definition)
    const { name } = procedure
    const userId = identity === undefined ? undefined : grant.principal.session?.userId
    await this.#registry.exclusive(async () => {
      if (this.#registry.find(name) !== undefined) {
        throw new NoexServerError('ALREADY_EXISTS', `Procedure "${name}" already exists`)
      }
      grant.assertStillAllowed()
      await this.#registry.insert(procedure, userId, grant)
      if (identity === undefined || userId === undefined) return
      try {
        await takeOwnership(identity, name, userId, grant.note)
      } catch (error) {
        await this.#registry.delete(name, grant)
        throw error
      }
    })
    return name
  }

  async update (name: string, updates: Readonly<Record<string, unknown>>, grant: Grant): Promise<void> {
    await this.#registry.exclusive(async () => {
      const registered = this.#changeable(name)
      const procedure = this.#check({ ...registered.procedure.definition, ...updates, name })
      grant.assertStillAllowed()
      const author = authorOfUpdate(registered, procedure, {
        hasSteps: Object.hasOwn(updates, 'steps'),
        session: grant.principal.session,
        identity: this.#environment.identity
      })
      await this.#registry.replace(procedure, author, grant)
    })
  }

  async unregister (name: string, grant: Grant): Promise<void> {
    await this.#registry.exclusive(async () => {
      this.#changeable(name)
      grant.assertStillAllowed()
      await this.#registry.delete(name, grant)
      await this.#environment.identity?.forgetResource('procedure', name, grant)
    })
  }

  async call (
    name: string, input: Readonly<Record<string, unknown>>, { server, client, grant }: OperationContext
  ): Promise<Outcome> {
    const registered = this.get(name)
    const { procedure } = registered
    const { maxSteps, maxConditionDepth, defaultTimeoutMs } = this.#options
    if (procedure.stepCount > maxSteps || procedure.depth > maxConditionDepth) {
      throw new NoexServerError(
        'VALIDATION_ERROR',
        `Procedure "${name}" was registered under larger limits and is not run any more`
      )
    }
    const { definition } = procedure
    const checked = checkInput(definition.input, input)
    const rights = rightsFor(registered, grant.principal, server)
    const deadline = new Deadline(definition.timeoutMs ?? defaultTimeoutMs, server.clock)
    const assertStillAllowed = (): void => {
      deadline.check()
      grant.assertStillAllowed()
    }
    const { work, maxChanges, user, note, presence, idempotency } = grant
    const cause = { user, note, presence, idempotency }
    const limits = { find: this.#find, deadline, assertStillAllowed, work, maxChanges }
    const call: Call = { server, client, ...rights, ...limits, ...cause }
    return await execute(procedure, checked, call, this.#environment.log)
  }

  rightsOf (name: string, { server, grant }: OperationContext): Pick<Call, 'authorizer' | 'principal'> {
    return rightsFor(this.get(name), grant.principal, server)
  }

  /** @throws `VALIDATION_ERROR`, `FORBIDDEN` */
  #check (definition: unknown): Procedure {
    const procedure = requireDefinition(withoutNulls(definition), this.#options)
    if (runsAsOwner(procedure) && this.#environment.identity === undefined) {
      throw invalidDefinition([
        {
          path: 'runAs',
          problem:
            'must not be "owner" where there are no accounts: only procedures of the options may have it'
        }
      ])
    }
    const hidden = procedure.buckets.find(({ bucket }) => isSystemBucket(bucket, this.#sharedStore))
    if (hidden !== undefined) {
      throw new NoexServerError(
        'FORBIDDEN',
        `${hidden.path}: "${hidden.bucket}" is the name of a system bucket`
      )
    }
    return procedure
  }

  /** @throws `NOT_FOUND`, `FORBIDDEN` */
  #changeable (name: string): Registered {
    const registered = this.get(name)
    if (registered.isFixed) {
      throw new NoexServerError(
        'FORBIDDEN',
        `Procedure "${name}" is the application's own: it is given in the options`
      )
    }
    return registered
  }

  readonly #find = (name: string): Operation => {
    const operation = this.#environment.operations.get(name)
    if (operation === undefined) throw new Error(`there is no operation ${name}`)
    return operation
  }
}

/** Removes optional members that are `null`: an update removes a member that way. */
function withoutNulls (definition: unknown): unknown {
  if (typeof definition !== 'object' || definition === null || Array.isArray(definition)) return definition
  return Object.fromEntries(
    Object.entries(definition).filter(([name, value]) => value !== null || !optional.has(name))
  )
}

const optional: ReadonlySet<string> = new Set(['description', 'input', 'transaction', 'timeoutMs', 'runAs'])

/** Deletes the procedure of a client whose name a procedure of the options has. */
async function replaceStored (
  registry: ProcedureRegistry,
  name: string,
  { log, identity }: ProceduresEnvironment
): Promise<void> {
  if (!registry.hasStored(name)) return
  log.warn(
    { procedure: name },
    'a procedure of the options takes the place of one that a client had registered'
  )
  await registry.exclusive(async () => { await registry.delete(name) })
  await identity?.forgetResource('procedure', name)
}
