import { mustBe } from './checks.js'
import type { RequestFunction } from './noex-types.js'

/**
 * Methods by name, each with the names of the members that its arguments are: `...` for an object of members,
 * and behind `>` the member of the reply that it resolves with.
 */
type Methods = Readonly<Record<string, string>>

export const ofBucket: Methods = {
  insert: 'data',
  insertMany: 'data',
  upsert: 'data ...',
  get: 'key',
  update: 'key data ...',
  increment: 'key field by ...',
  updateMany: 'filter data',
  delete: 'key ...',
  deleteMany: 'filter',
  clear: '',
  all: '',
  where: 'filter limit',
  findOne: 'filter',
  count: 'filter',
  first: 'n filter',
  last: 'n filter',
  paginate: '...',
  sum: 'field filter',
  avg: 'field filter',
  min: 'field filter',
  max: 'field filter',
  groupBy: 'field aggregate filter'
}

export const ofStore: Methods = {
  query: 'query params',
  transaction: 'operations > results',
  buckets: '',
  stats: '',
  defineBucket: 'name config',
  updateBucket: 'name updates',
  dropBucket: 'name',
  getBucketSchema: 'name',
  defineQuery: 'name config',
  undefineQuery: 'name',
  listQueries: '> queries'
}

export const ofRules: Methods = {
  emit: 'topic data correlationId causationId',
  setFact: 'key value',
  getFact: 'key',
  deleteFact: 'key > deleted',
  queryFacts: 'pattern',
  getAllFacts: '',
  stats: '',
  registerRule: 'rule',
  updateRule: 'ruleId updates',
  enableRule: 'ruleId',
  disableRule: 'ruleId',
  unregisterRule: 'ruleId',
  getRule: 'ruleId',
  getRules: '',
  validateRule: 'rule'
}

export const ofAuth: Methods = { login: 'token', whoami: '', logout: '' }

export const ofIdentity: Methods = {
  login: 'username password',
  loginWithSecret: 'secret',
  logout: '',
  whoami: '',
  refreshSession: '',
  changePassword: 'userId currentPassword newPassword',
  createUser: '...',
  getUser: 'userId',
  updateUser: 'userId ...',
  deleteUser: 'userId',
  listUsers: '...',
  enableUser: 'userId',
  disableUser: 'userId',
  resetPassword: 'userId newPassword',
  createRole: '...',
  updateRole: 'roleId ...',
  deleteRole: 'roleId',
  listRoles: '> roles',
  assignRole: 'userId roleName',
  removeRole: 'userId roleName',
  getUserRoles: 'userId > roles',
  grant: '...',
  revoke: '...',
  getAcl: 'resourceType resourceName > entries',
  myAccess: '',
  getOwner: 'resourceType resourceName > owner',
  transferOwner: 'resourceType resourceName newOwnerId'
}

export const ofProcedures: Methods = {
  register: 'procedure',
  update: 'name updates',
  get: 'name',
  list: '> procedures',
  call: 'name input',
  unregister: 'name'
}

export const ofAudit: Methods = { query: '... > entries' }

export const ofServer: Methods = { stats: '', connections: '' }

/** Members that are objects themselves. */
const objects = /^(data|filter|rule|procedure|operations|\.\.\.)$/

/**
 * Makes the methods of a namespace. Arguments stand for members of the request, which `common` completes;
 * without that, a single object may have all members.
 */
export function createMethods<T> (
  request: RequestFunction, namespace: string, methods: Methods, common?: object
): T {
  return Object.fromEntries(Object.entries(methods).map(([name, text]) => {
    const [members = '', taken] = text.split(/ ?> /)
    const names = members.split(' ').filter(Boolean)
    return [name, async (...args: any[]) => {
      const isWhole = common === undefined && args.length === 1 && Object(args[0]) === args[0] &&
        !objects.test(names[0] ?? '...')
      names.forEach((member, i) => {
        const isGiven = member === '...' && args[i] !== undefined && args[i] !== null
        if (isGiven) mustBe(`${namespace}.${name}: argument ${i + 1}`, args[i], 'an object')
      })
      const given = isWhole
        ? [args[0]]
        : names.map((member, i) => member === '...' ? args[i] : { [member]: args[i] })
      const data = await request(`${namespace}.${name}`, Object.assign({}, common, ...given))
      return taken === undefined ? data : data?.[taken]
    }]
  })) as T
}
