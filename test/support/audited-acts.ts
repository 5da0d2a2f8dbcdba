import type { Test } from 'tap'
import type { AuditEntry, NoexOptions } from '../../lib/index.js'
import { TestClient } from './client.js'
import { serveTokens, type ServedTokens } from './external-auth.js'
import { serveAccounts, type Accounts } from './identity.js'
import { serve, type Served } from './service.js'

type Options = Omit<NoexOptions, 'store' | 'auth'>

/** A service whose audit entries are kept, and an operator. */
export interface Operated {
  readonly served: Served
  /** Opens the client of an operator, who may do everything. */
  readonly operator: () => Promise<TestClient>
  /** Opens a client of the user `alice`, who may read. */
  readonly alice: () => Promise<TestClient>
  /** The id of alice; `null` where clients have none. */
  readonly aliceId: string | null
  /** The id of the operator; `null` where clients have none. */
  readonly operatorId: string | null
  /** Returns what the audit has recorded under the name of an operation. */
  readonly entriesOf: (...operations: string[]) => AuditEntry[]
}

const page = 'https://desk.example'

/** Every mode of authentication, and how a service has it. */
export const operatedModes: Readonly<Record<string, (t: Test, options?: Options) => Promise<Operated>>> = {
  async 'without authentication' (t, options) {
    const { entries, audit } = collected()
    const served = await serve(t, { ...options, audit })
    const connect = async (): Promise<TestClient> => await served.connect()
    return { served, operator: connect, alice: connect, aliceId: null, operatorId: null, ...entries }
  },
  async 'with tokens' (t, options) {
    const { entries, audit } = collected()
    const served: ServedTokens = await serveTokens(t, {}, { ...options, audit })
    return {
      served,
      operator: async () => await served.as('admin'),
      alice: async () => await served.as('reader'),
      aliceId: 'rita',
      operatorId: 'anna',
      ...entries
    }
  },
  async 'with accounts' (t, options) {
    const { entries, audit } = collected()
    const served: Accounts = await serveAccounts(t, {}, { ...options, audit })
    const aliceId = await served.user('alice', 'reader')
    return {
      served,
      operator: async () => await served.superadmin(),
      alice: async () => await served.as(aliceId),
      aliceId,
      operatorId: '__superadmin__',
      ...entries
    }
  },
  async 'behind a gateway' (t, options) {
    const { entries, audit } = collected()
    const served = await serve(t, {
      ...options,
      audit,
      allowedOrigins: [page],
      auth: {
        gateway: { userHeader: 'x-user', rolesHeader: 'x-roles', trustedProxies: ['127.0.0.1'] },
        permissions: {
          default: 'deny', rules: [{ role: 'admin', allow: '*' }, { role: 'reader', allow: 'store.*' }]
        }
      }
    })
    const as = async (user: string, roles: string): Promise<TestClient> => await TestClient.open(
      t, served.url, { origin: page, headers: { 'x-user': user, 'x-roles': roles } }
    )
    return {
      served,
      operator: async () => await as('olga', 'admin'),
      alice: async () => await as('alice', 'reader'),
      aliceId: 'alice',
      operatorId: 'olga',
      ...entries
    }
  }
}

function collected () {
  const all: AuditEntry[] = []
  const entriesOf = (...operations: string[]): AuditEntry[] =>
    all.filter(({ operation }) => operations.includes(operation))
  return { entries: { entriesOf }, audit: { onEntry: (entry: AuditEntry) => { all.push(entry) } } }
}
