/** Records of the buckets `big`, `ordered`, `children` and `scratch`. */
export const BIG = 100_000

/** The secret with which the loads log in. */
export const ADMIN_SECRET = 'a secret for benchmarks only'

/** A request without its id. */
export type HeavyRequest = Readonly<Record<string, unknown>> & { readonly type: string }

/** The requests of a round, in order: those that one user may send and that take long. */
export interface HeavyLoad {
  /** Distinguishes it from others of the same operation. */
  readonly name?: string
  /** `connection` tells the connections apart that send it at the same time. */
  readonly requests: (connection: number) => readonly HeavyRequest[]
  /** Whose code takes the time that is left, and why. */
  readonly left?: string
}

const bucket = 'big'

/** As many conditions as a filter may have; none of them holds, so all are looked at for each record. */
export const nothing = { $or: Array.from({ length: 240 }, (_, i) => ({ n: -1 - i })) }
const one = { $or: [...nothing.$or.slice(1), { n: 7 }] }
const longList = { n: { $nin: Array.from({ length: 9_900 }, (_, i) => -1 - i) } }
const everything = { n: { $gte: 0 } }
const FIELDS = Array.from({ length: 16 }, (_, i) => i % 2 === 0 ? 'name' : 'n')
const longText = 'x'.repeat(900_000)
const times = <T> (count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i))
const insertAll = {
  type: 'store.insertMany',
  bucket: 'grow',
  data: times(10_000, n => ({ n, name: `a record with the number ${n}` }))
}

const read = (type: string, fields: object = {}): HeavyRequest => ({ type, bucket, ...fields })
const only = (...requests: readonly HeavyRequest[]): readonly HeavyLoad[] => [{ requests: () => requests }]
const each = (requests: HeavyLoad['requests']): readonly HeavyLoad[] => [{ requests }]
const small = (type: string, fields: object = {}): readonly HeavyLoad[] => only({ type, ...fields })

const STORE_STEP = 'noex-store does it in one step'
const COMMIT = 'noex-store commits in one step, and looks for each update among all'

const filtered = (type: string, fields: object = {}): readonly HeavyLoad[] => [
  { name: '240 conditions', requests: () => [read(type, { filter: nothing, ...fields })] },
  { name: '$nin of 9,900', requests: () => [read(type, { filter: longList, ...fields })] }
]

const inOrder = (type: string, fields: object): readonly HeavyLoad[] => [
  { requests: () => [read(type, fields)] },
  { name: 'ordered keys', requests: () => [read(type, { ...fields, bucket: 'ordered' })] }
]

const transaction = (name: string, operations: readonly object[], left?: string): HeavyLoad =>
  ({ name, requests: () => [{ type: 'store.transaction', operations }], ...(left !== undefined && { left }) })

const procedureName = (connection: number): string => `procedure-${connection}`
const userName = (connection: number): string => `user-${connection}`
const rule = (connection: number): object => ({
  id: `rule-${connection}`,
  name: 'a rule',
  trigger: { type: 'event', topic: 'nothing' },
  conditions: [],
  actions: []
})
const procedure = (connection: number): object => ({
  name: procedureName(connection),
  steps: ['first', 'second'].map(as => ({ action: 'store.count', bucket, filter: nothing, as }))
})
const role = (connection: number): string => `role-${connection}`
const password = 'correct horse battery staple'
const OWN_ACCOUNT = 'passwords are worked on in threads'
const resource = { resourceType: 'bucket', resourceName: bucket }
const grant = { subjectType: 'role', subjectId: 'reader', ...resource, operations: ['read'] }

/** The heaviest requests of each operation. An operation without any is a slip: the benchmark says so. */
export const heavyLoads: Readonly<Record<string, readonly HeavyLoad[]>> = {
  'store.get': only({ type: 'store.get', bucket: 'texts', key: 'long' }),
  'store.all': only(read('store.all')),
  'store.where': [
    ...filtered('store.where'),
    { name: 'all records', requests: () => [read('store.where', { filter: everything })] }
  ],
  'store.findOne': filtered('store.findOne', { filter: nothing }),
  'store.count': filtered('store.count'),
  'store.first': inOrder('store.first', { n: BIG }),
  'store.last': inOrder('store.last', { n: BIG }),
  'store.paginate': inOrder('store.paginate', { limit: BIG }),
  'store.sum': filtered('store.sum', { field: 'n' }),
  'store.avg': filtered('store.avg', { field: 'n' }),
  'store.min': filtered('store.min', { field: 'n' }),
  'store.max': filtered('store.max', { field: 'n' }),
  'store.groupBy': only(read('store.groupBy', { field: FIELDS, aggregate: { function: 'count' } })),
  'store.buckets': small('store.buckets'),
  'store.stats': small('store.stats'),
  'store.insert': only({ type: 'store.insert', bucket: 'texts', data: { text: longText } }),
  'store.insertMany': [{ requests: () => [insertAll], left: STORE_STEP }],
  'store.upsert': only({ type: 'store.upsert', bucket: 'texts', data: { id: 'long', text: longText } }),
  'store.update': only({ type: 'store.update', bucket: 'texts', key: 'long', data: { text: longText } }),
  'store.increment': only({ type: 'store.increment', bucket: 'big', key: 'k1', field: 'n', by: 0 }),
  'store.updateMany': [
    { name: 'search', requests: () => [read('store.updateMany', { filter: nothing, data: { name: 'x' } })] },
    {
      name: 'search, 1 write',
      requests: () => [read('store.updateMany', { filter: one, data: { name: 'x' } })],
      left: 'noex-store looks at all keys once more, in one step'
    },
    {
      name: '100,000 writes',
      requests: () => [{ type: 'store.updateMany', bucket: 'scratch', filter: {}, data: { name: 'x' } }],
      left: STORE_STEP
    }
  ],
  'store.delete': only({ type: 'store.delete', bucket: 'parents', key: 'none' }),
  'store.deleteMany': [
    { name: 'search', requests: () => [read('store.deleteMany', { filter: nothing })] },
    {
      name: '10,000 writes',
      requests: () => [insertAll, { type: 'store.deleteMany', bucket: 'grow', filter: {} }],
      left: STORE_STEP
    }
  ],
  'store.clear': [{
    requests: () => [insertAll, { type: 'store.clear', bucket: 'grow' }],
    left: STORE_STEP
  }],
  'store.transaction': [
    transaction('1,000 counts', times(1_000, () => ({ op: 'count', bucket, filter: everything }))),
    transaction('400 counts', times(400, () => ({ op: 'count', bucket, filter: everything }))),
    transaction('groupBy, where', [
      { op: 'groupBy', bucket, field: FIELDS, aggregate: { function: 'count' } },
      { op: 'where', bucket, filter: everything }
    ]),
    transaction('100 deletes, referred to', times(100, i => ({
      op: 'delete', bucket: 'parents', key: `p${i + 100}`
    }))),
    transaction('1,000 writes',
      times(1_000, i => ({ op: 'update', bucket: 'scratch', key: `k${i}`, data: { n: i } })), COMMIT),
    transaction('5,000 writes',
      [{ op: 'updateMany', bucket: 'scratch', filter: { n: { $lt: 5_000 } }, data: { name: 'y' } }], COMMIT)
  ],
  'store.query': [
    ...only({ type: 'store.query', query: 'sorted' }),
    { name: 'groupBy', requests: () => [{ type: 'store.query', query: 'grouped' }] }
  ],
  'store.subscribe': [{
    requests: () => [{ type: 'store.subscribe', query: 'sorted' }],
    left: 'a live query is evaluated, and its result encoded, in one step'
  }],
  'store.unsubscribe': small('store.unsubscribe', { subscriptionId: 'none' }),
  'store.defineBucket': each(connection => [
    {
      type: 'store.defineBucket',
      name: `made-${connection}`,
      config: { key: 'id', schema: { id: { type: 'string' } } }
    },
    { type: 'store.dropBucket', name: `made-${connection}` }
  ]),
  'store.dropBucket': small('store.dropBucket', { name: 'none' }),
  'store.updateBucket': [{
    requests: () => [{ type: 'store.updateBucket', name: 'scratch', updates: { ttl: null } }],
    left: 'noex-store builds the bucket anew in one step'
  }],
  'store.getBucketSchema': small('store.getBucketSchema', { name: bucket }),
  'store.defineQuery': each(connection => [
    { type: 'store.defineQuery', name: `query-${connection}`, config: { bucket, filter: nothing } },
    { type: 'store.undefineQuery', name: `query-${connection}` }
  ]),
  'store.undefineQuery': small('store.undefineQuery', { name: 'none' }),
  'store.listQueries': small('store.listQueries'),
  'procedures.register': each(connection => [
    { type: 'procedures.register', procedure: procedure(connection) },
    { type: 'procedures.unregister', name: procedureName(connection) }
  ]),
  'procedures.unregister': small('procedures.unregister', { name: 'none' }),
  'procedures.update': small('procedures.update', { name: 'none', updates: { steps: [] } }),
  'procedures.get': small('procedures.get', { name: 'all' }),
  'procedures.list': small('procedures.list'),
  'procedures.call': [
    { name: 'search', requests: () => [{ type: 'procedures.call', name: 'search' }] },
    { name: 'all records', requests: () => [{ type: 'procedures.call', name: 'all' }] }
  ],
  'server.stats': small('server.stats'),
  'server.connections': small('server.connections'),
  'auth.login': small('auth.login', { token: 'none' }),
  'auth.logout': [{ requests: () => [{ type: 'auth.whoami' }], name: '(as auth.whoami)' }],
  'auth.whoami': small('auth.whoami'),
  'identity.login': [{
    requests: () => [{ type: 'identity.login', username: 'none', password }],
    left: OWN_ACCOUNT
  }],
  'identity.loginWithSecret': small('identity.loginWithSecret', { secret: `not ${ADMIN_SECRET}` }),
  'identity.logout': [{ requests: () => [{ type: 'identity.whoami' }], name: '(as identity.whoami)' }],
  'identity.whoami': small('identity.whoami'),
  'identity.refreshSession': small('identity.refreshSession'),
  'identity.changePassword': small('identity.changePassword', {
    userId: 'none', currentPassword: password, newPassword: password
  }),
  'identity.createUser': [{
    requests: connection => [{ type: 'identity.createUser', username: userName(connection), password }],
    left: OWN_ACCOUNT
  }],
  'identity.getUser': small('identity.getUser', { userId: 'none' }),
  'identity.updateUser': small('identity.updateUser', {
    userId: 'none', metadata: { text: longText.slice(0, 50_000) }
  }),
  'identity.deleteUser': small('identity.deleteUser', { userId: 'none' }),
  'identity.listUsers': small('identity.listUsers', { page: 1, pageSize: 100 }),
  'identity.enableUser': small('identity.enableUser', { userId: 'none' }),
  'identity.disableUser': small('identity.disableUser', { userId: 'none' }),
  'identity.resetPassword': small('identity.resetPassword', { userId: 'none', newPassword: password }),
  'identity.assignRole': small('identity.assignRole', { userId: 'none', roleName: 'reader' }),
  'identity.removeRole': small('identity.removeRole', { userId: 'none', roleName: 'reader' }),
  'identity.getUserRoles': small('identity.getUserRoles', { userId: 'none' }),
  'identity.createRole': each(connection => [{ type: 'identity.createRole', name: role(connection) }]),
  'identity.updateRole': small('identity.updateRole', { roleId: 'none', description: 'x' }),
  'identity.deleteRole': small('identity.deleteRole', { roleId: 'none' }),
  'identity.listRoles': small('identity.listRoles'),
  'identity.grant': small('identity.grant', grant),
  'identity.revoke': small('identity.revoke', grant),
  'identity.getAcl': small('identity.getAcl', resource),
  'identity.myAccess': small('identity.myAccess'),
  'identity.getOwner': small('identity.getOwner', resource),
  'identity.transferOwner': small('identity.transferOwner', { ...resource, newOwnerId: 'none' }),
  'audit.query': small('audit.query', { limit: 100_000 }),
  'rules.emit': small('rules.emit', { topic: 'nothing', data: { text: 'x'.repeat(900_000) } }),
  'rules.setFact': small('rules.setFact', { key: 'fact', value: 'x'.repeat(900_000) }),
  'rules.getFact': small('rules.getFact', { key: 'fact' }),
  'rules.deleteFact': small('rules.deleteFact', { key: 'none' }),
  'rules.queryFacts': small('rules.queryFacts', { pattern: '*' }),
  'rules.getAllFacts': small('rules.getAllFacts'),
  'rules.subscribe': each(() => [{ type: 'rules.subscribe', pattern: 'nothing.*' }]),
  'rules.unsubscribe': small('rules.unsubscribe', { subscriptionId: 'none' }),
  'rules.stats': small('rules.stats'),
  'rules.registerRule': each(connection => [
    { type: 'rules.registerRule', rule: rule(connection) },
    { type: 'rules.unregisterRule', ruleId: `rule-${connection}` }
  ]),
  'rules.unregisterRule': small('rules.unregisterRule', { ruleId: 'none' }),
  'rules.updateRule': small('rules.updateRule', { ruleId: 'none', updates: {} }),
  'rules.enableRule': small('rules.enableRule', { ruleId: 'none' }),
  'rules.disableRule': small('rules.disableRule', { ruleId: 'none' }),
  'rules.getRule': small('rules.getRule', { ruleId: 'none' }),
  'rules.getRules': small('rules.getRules'),
  'rules.validateRule': each(connection => [{ type: 'rules.validateRule', rule: rule(connection) }])
}
