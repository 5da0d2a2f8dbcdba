import t from 'tap'
import { Store } from '@hamicek/noex-store'
import { resolveAuth } from '../../../lib/auth/auth-options.js'
import { NoexOptionsError } from '../../../lib/util/option-schema.js'
import { resolveOptions, type NoexOptions } from '../../../lib/options/options.js'

const validate = async (): Promise<null> => null
const store = Object.assign(Object.create(Store.prototype), { [Symbol.for('noex.store')]: 1 })
const gateway = { userHeader: 'X-Forwarded-User', trustedProxies: ['127.0.0.1'] }
const builtIn = { builtIn: true, adminSecret: 'a secret of some length' }

/** The path of the option that is refused; `undefined` for none. */
function refused (work: () => unknown): string {
  try {
    work()
    return 'accepted'
  } catch (error) {
    return error instanceof NoexOptionsError ? error.path : String(error)
  }
}

t.test('auth has three forms, each with defaults of its own', async t => {
  t.equal(resolveAuth(undefined), undefined)
  t.same(resolveAuth({ validate }), {
    mode: 'external',
    validate,
    required: true,
    permissions: undefined,
    revalidateMs: false,
    validateTimeoutMs: 30_000
  })
  t.same(resolveAuth({ gateway }), { mode: 'gateway', gateway, permissions: undefined })
  t.same(resolveAuth(builtIn), {
    ...builtIn,
    mode: 'builtIn',
    sessionTtl: 86_400_000,
    passwordMinLength: 8,
    maxSessionsPerUser: 10,
    loginRateLimit: { maxAttempts: 5, windowMs: 900_000 }
  })
  t.match(resolveAuth({ ...builtIn, loginRateLimit: { maxAttempts: 3 } }), {
    loginRateLimit: { maxAttempts: 3, windowMs: 900_000 }
  })
})

t.test('a bad auth is refused by the path of what is wrong', async t => {
  const table: ReadonlyArray<readonly [auth: unknown, path: string]> = [
    [null, 'auth'], ['x', 'auth'], [[], 'auth'], [true, 'auth'],
    [{}, 'auth.validate'],
    [{ required: false }, 'auth.validate'],
    [{ validate: 'x' }, 'auth.validate'],
    [{ validate, required: 1 }, 'auth.required'],
    [{ validate, revalidateMs: -1 }, 'auth.revalidateMs'],
    [{ validate, revalidateMs: true }, 'auth.revalidateMs'],
    [{ validate, revalidateMs: 1.5 }, 'auth.revalidateMs'],
    ...[0, -1, 1.5, 2 ** 31, '1s'].map(
      validateTimeoutMs => [{ validate, validateTimeoutMs }, 'auth.validateTimeoutMs'] as const
    ),
    [{ validate, adminSecret: 'x' }, 'auth.adminSecret'],
    [{ validate, permissions: [] }, 'auth.permissions'],
    [{ validate, permissions: { default: 'maybe' } }, 'auth.permissions.default'],
    [{ validate, permissions: { rule: [] } }, 'auth.permissions.rule'],
    [{ validate, permissions: { check: {} } }, 'auth.permissions.check'],
    [{ validate, permissions: { rules: {} } }, 'auth.permissions.rules'],
    [{ validate, permissions: { rules: [null] } }, 'auth.permissions.rules[0]'],
    [{ validate, permissions: { rules: [{ allow: '*' }] } }, 'auth.permissions.rules[0].role'],
    [{ validate, permissions: { rules: [{ role: '', allow: '*' }] } }, 'auth.permissions.rules[0].role'],
    [
      { validate, permissions: { rules: [{ role: 'a', allow: '*' }, { role: 'a' }] } },
      'auth.permissions.rules[1].allow'
    ],
    [{ validate, permissions: { rules: [{ role: 'a', allow: [] }] } }, 'auth.permissions.rules[0].allow'],
    [{ validate, permissions: { rules: [{ role: 'a', allow: [5] }] } }, 'auth.permissions.rules[0].allow'],
    [
      { validate, permissions: { rules: [{ role: 'a', allow: '*', buckets: 'x' }] } },
      'auth.permissions.rules[0].buckets'
    ],
    [
      { validate, permissions: { rules: [{ role: 'a', allow: '*', topics: [''] }] } },
      'auth.permissions.rules[0].topics'
    ],
    [
      { validate, permissions: { rules: [{ role: 'a', allow: '*', deny: true }] } },
      'auth.permissions.rules[0].deny'
    ],
    [
      { validate, permissions: { rules: [{ role: 'a', allow: '*', where: 'x' }] } },
      'auth.permissions.rules[0].where'
    ],
    [
      { validate, permissions: { rules: [{ role: 'a', allow: '*', where: {} }] } },
      'auth.permissions.rules[0].where'
    ],
    [
      { validate, permissions: { rules: [{ role: 'a', allow: '*', where: { x: { $foo: 1 } } }] } },
      'auth.permissions.rules[0].where.x.$foo'
    ],
    [
      { validate, permissions: { rules: [{ role: 'a', allow: '*', where: { team: '$roles' } }] } },
      'auth.permissions.rules[0].where.team'
    ],
    [
      { validate, permissions: { rules: [{ role: 'anonymous', allow: '*', where: { owner: '$userId' } }] } },
      'auth.permissions.rules[0].where'
    ],
    [{ gateway: null }, 'auth.gateway'],
    [{ gateway: {} }, 'auth.gateway.userHeader'],
    [{ gateway: { userHeader: 'X-User' } }, 'auth.gateway.trustedProxies'],
    [{ gateway: { ...gateway, trustedProxies: ['0.0.0.0/0'] } }, 'auth.gateway.trustedProxies[0]'],
    [{ gateway: { ...gateway, secret: 'x' } }, 'auth.gateway.secretHeader'],
    [{ gateway, validate }, 'auth.validate'],
    [{ gateway, required: true }, 'auth.required'],
    [{ builtIn: true }, 'auth.adminSecret'],
    [{ builtIn: true, adminSecret: '' }, 'auth.adminSecret'],
    [{ builtIn: true, adminSecret: 5 }, 'auth.adminSecret'],
    [{ ...builtIn, builtIn: false }, 'auth.builtIn'],
    [{ ...builtIn, validate }, 'auth.validate'],
    [{ ...builtIn, permissions: {} }, 'auth.permissions'],
    [{ ...builtIn, sessionTtl: 0 }, 'auth.sessionTtl'],
    [{ ...builtIn, passwordMinLength: 0 }, 'auth.passwordMinLength'],
    [{ ...builtIn, maxSessionsPerUser: 0 }, 'auth.maxSessionsPerUser'],
    [{ ...builtIn, loginRateLimit: 5 }, 'auth.loginRateLimit'],
    [{ ...builtIn, loginRateLimit: { maxAttempts: 0 } }, 'auth.loginRateLimit.maxAttempts'],
    [{ ...builtIn, loginRateLimit: { window: 1 } }, 'auth.loginRateLimit.window']
  ]
  for (const [auth, path] of table) t.equal(refused(() => resolveAuth(auth)), path, JSON.stringify(auth))
})

t.test('what does not go together is refused at boot', async t => {
  const resolve = (options: object): string =>
    refused(() => resolveOptions({ store, ...options } as unknown as NoexOptions))
  t.equal(resolve({ realIpHeader: 'x-real-ip' }), 'trustedProxies')
  t.equal(resolve({ trustedProxies: ['10.0.0.0/8'] }), 'trustedProxies')
  t.equal(resolve({ realIpHeader: 'x-real-ip', trustedProxies: [] }), 'trustedProxies')
  t.equal(resolve({ realIpHeader: 'x-real-ip', trustedProxies: ['0.0.0.0/0'] }), 'trustedProxies[0]')
  t.equal(resolve({ realIpHeader: 'x real ip', trustedProxies: ['10.0.0.0/8'] }), 'realIpHeader')
  t.equal(resolve({ auth: { gateway } }), 'allowedOrigins')
  t.equal(
    resolve({
      auth: { gateway: { ...gateway, userHeader: 'X-Client' } },
      realIpHeader: 'x_client',
      trustedProxies: ['127.0.0.1'],
      allowedOrigins: []
    }),
    'realIpHeader'
  )
  t.equal(resolve({ auth: { gateway }, allowedOrigins: ['https://a.example'] }), 'accepted')
  t.equal(resolve({ realIpHeader: 'x-real-ip', trustedProxies: ['10.0.0.0/8'] }), 'accepted')
})
