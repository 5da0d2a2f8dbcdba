import type { Test } from 'tap'
import { Store, type StoreOptions } from '@hamicek/noex-store'
import type { Grant } from '../../lib/permissions/grant.js'
import { Revocations } from '../../lib/auth/revocations.js'
import type { Session } from '../../lib/protocol/session.js'
import { NoexServerError } from '../../lib/protocol/errors.js'
import { toReplyError } from '../../lib/store/store-errors.js'
import { KeyedRequests } from '../../lib/idempotency/keyed-requests.js'
import { Identity } from '../../lib/identity/identity.js'
import { SUPERADMIN_ID } from '../../lib/identity/system-roles.js'
import { rejectionReasons } from '../../lib/limits/rejections.js'
import { Counters } from '../../lib/util/counters.js'
import { operations } from '../../lib/operations/registry.js'
import type { Client, ServerContext } from '../../lib/operations/context.js'
import type { Operation } from '../../lib/operations/operation.js'
import type { Principal } from '../../lib/permissions/principal.js'
import type { RequestMessage } from '../../lib/protocol/messages.js'
import { Presence } from '../../lib/store/presence.js'
import { SharedStore } from '../../lib/store/shared-store.js'
import { Work } from '../../lib/store/work.js'
import { FakeClock } from './fake-clock.js'
import { ADMIN_SECRET, PASSWORD, passwordHash } from './identity.js'
import { startStore } from './service.js'
import { silentLog } from './silent-log.js'
import { Barrier } from './barrier.js'

export { ADMIN_SECRET, PASSWORD, passwordHash }

const defaults = {
  adminSecret: ADMIN_SECRET,
  sessionTtl: 86_400_000,
  passwordMinLength: 8,
  maxSessionsPerUser: 10,
  loginRateLimit: { maxAttempts: 5, windowMs: 900_000 }
}

/** A client that remembers its session as a connection does. */
export class FakeClient implements Client, Principal {
  readonly id = 'conn-1'
  readonly origin = { remoteAddress: '192.0.2.1', connectionId: 'conn-1', headers: { 'user-agent': 'test' } }
  readonly log = silentLog
  readonly ended: AbortSignal = new AbortController().signal
  readonly version = 0
  readonly isConnected = true
  readonly presence = new Presence('conn-1', { isEphemeral: () => false }, 0)
  isOpen = true
  session: Session | undefined
  writing: Promise<unknown> | undefined

  checkExpiry (): boolean {
    return false
  }

  get subscriptions (): never {
    throw new Error('identity operations have no subscriptions')
  }

  get eventSubscriptions (): never {
    throw new Error('identity operations hear no events')
  }

  logIn (session: Session): void {
    if (this.isOpen) this.session = session
  }

  logOut (): void {
    this.session = undefined
  }
}

/** Grants as the authorizer does: a client without a login, or without the role, is refused. */
function grantFor (client: FakeClient, { accessLevel }: Operation): Grant {
  const assertStillAllowed = (): void => {
    if (accessLevel === 'everyone') return
    const { session } = client
    if (!client.isOpen || session?.state !== 'live') {
      throw new NoexServerError('UNAUTHORIZED', 'Authentication required')
    }
    if (
      accessLevel === 'session' ||
      session.roles.includes('superadmin') ||
      (accessLevel === 'admin' && session.roles.includes('admin'))
    ) {
      return
    }
    throw new NoexServerError('FORBIDDEN', `This takes the role ${accessLevel}`)
  }
  assertStillAllowed()
  return {
    principal: client,
    assertStillAllowed,
    work: new Work(Infinity),
    maxChanges: Infinity,
    rights: '',
    rows: () => undefined,
    scope: () => { throw new Error('identity operations run no queries') }
  }
}

interface Settings {
  readonly store?: Store
  readonly options?: StoreOptions
  readonly auth?: Partial<typeof defaults>
  readonly clock?: FakeClock
  /** `false`: new passwords are hashed by scrypt, in a third of a second each. */
  readonly argon2?: false
}

/**
 * Accounts on a fresh store, or on `store`, and their operations without a connection; all of it closes with
 * the test.
 */
export async function startAccounts (t: Test, {
  store: given,
  options,
  auth,
  clock = new FakeClock(),
  argon2
}: Settings = {}) {
  const store = given ?? await startStore(t, options)
  const sharedStore = SharedStore.of(store)
  const revocations = new Revocations(3_600_000, clock)
  const identity = await Identity.start(
    sharedStore,
    { ...defaults, ...auth },
    {
      log: silentLog,
      clock,
      isRevoked: userId => revocations.has(userId),
      rejections: new Counters(rejectionReasons),
      operations: [...operations.values()],
      ...(argon2 === undefined ? {} : { argon2 })
    }
  )
  t.teardown(async () => {
    await identity.close()
  })
  const unused = (): never => {
    throw new Error('identity operations do without')
  }
  const server: ServerContext = {
    sharedStore,
    keyedRequests: KeyedRequests.of(store),
    idempotency: { windowMs: 600_000, maxKeys: 100, maxBytes: 1_000_000 },
    identity,
    rules: undefined,
    trail: undefined,
    revocations,
    clock,
    authenticator: identity.authenticator,
    get authorizer () {
      return unused()
    },
    get procedures () {
      return unused()
    },
    get operations () {
      return unused()
    },
    get liveQueries () {
      return unused()
    },
    get queries () {
      return unused()
    },
    get connectionList () {
      return unused()
    },
    get refusals () {
      return unused()
    },
    get acts () {
      return unused()
    },
    getStats: unused,
    getStoreStats: unused
  }

  async function ask (client: FakeClient, type: string, fields: object = {}): Promise<unknown> {
    const operation = operations.get(type)
    if (operation === undefined) throw new Error(`there is no operation ${type}`)
    const request: RequestMessage = { id: 1, type, ...fields }
    const grant = grantFor(client, operation)
    operation.validate(request)
    return await operation.run({ server, client, grant }, request)
  }

  /** The code of the error that answers a request; `undefined` for a result. */
  async function code (client: FakeClient, type: string, fields: object = {}): Promise<string | undefined> {
    try {
      await ask(client, type, fields)
      return undefined
    } catch (error) {
      return toReplyError(error)?.code ?? `INTERNAL_ERROR: ${String(error)}`
    }
  }

  async function user (username: string, ...roles: string[]): Promise<string> {
    const { id } = await store.bucket('_users').insert({ username, passwordHash })
    for (const name of roles) {
      await store
        .bucket('_user_roles')
        .insert({ userId: id, roleId: identity.directory.roleByName(name)?.id })
    }
    return String(id)
  }

  /** A client on which this user is logged in, without a password being computed. */
  async function as (userId: string): Promise<FakeClient> {
    const client = new FakeClient()
    const { session } = await identity.directory.exclusive(
      async () => await identity.sessions.begin(userId, client.origin)
    )
    client.logIn(session)
    return client
  }

  const root = async (): Promise<FakeClient> => await as(SUPERADMIN_ID)
  return { store, sharedStore, identity, revocations, clock, ask, code, user, as, root }
}

/** Holds every transaction of a store, after it is composed and before it is committed. */
export function holdTransactions (store: Store): { readonly barrier: Barrier, readonly letGo: () => void } {
  const barrier = new Barrier()
  const transaction = store.transaction.bind(store)
  store.transaction = async work => await transaction(async tx => {
    const result = await work(tx)
    await barrier.pass()
    return result
  })
  const letGo = (): void => {
    store.transaction = transaction
    barrier.open()
  }
  return { barrier, letGo }
}
