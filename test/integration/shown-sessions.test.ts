import t from 'tap'
import type { AuthSession, PermissionConfig } from '../../lib/index.js'
import { serve } from '../support/service.js'
import { logText } from '../support/log-into.js'

type Meddle = (roles: string[]) => unknown

interface MeddlingAuth {
  readonly validate: (token: string) => AuthSession
  readonly permissions: PermissionConfig
}

function meddlingAuth (meddle: Meddle): MeddlingAuth {
  return {
    validate: (token: string): AuthSession => ({ userId: token, roles: ['staff'] }),
    permissions: {
      default: 'deny',
      rules: [{ role: 'admin', allow: 'store.*' }],
      check (session) {
        meddle(session?.roles as string[])
        return undefined
      }
    }
  }
}

const meddlers: Readonly<Record<string, Meddle>> = {
  throws: roles => roles.push('admin'),
  'fails in silence': roles => {
    try {
      roles.push('admin')
    } catch {}
  }
}

for (const [how, meddle] of Object.entries(meddlers)) {
  t.test(`a check that adds a role to the session that it is shown, and ${how}, adds none`, async t => {
    const { logger } = logText()
    const { app, connect } = await serve(t, { auth: meddlingAuth(meddle) }, { fastify: { logger } })
    const client = await connect()
    await client.ask('auth.login', { token: 'alice' })
    for (let n = 0; n < 2; n++) {
      const code = how === 'throws' ? 'INTERNAL_ERROR' : 'FORBIDDEN'
      t.match(await client.request('store.insert', { bucket: 'items', data: {} }), { code })
    }
    t.same(app.noex.getConnections()[0]?.roles, ['staff'])
  })
}

t.test('a check in gateway mode is shown a copy as well', async t => {
  const { permissions } = meddlingAuth(meddlers['fails in silence'] as Meddle)
  const gateway = {
    trustedProxies: ['127.0.0.1'],
    userHeader: 'x-user',
    rolesHeader: 'x-roles',
    secretHeader: 'x-secret',
    secret: 's'.repeat(40)
  }
  const { app } = await serve(t, { auth: { gateway, permissions }, allowedOrigins: ['https://good.example'] })
  const headers = { 'x-user': 'alice', 'x-roles': 'staff', 'x-secret': 's'.repeat(40) }
  for (let n = 0; n < 2; n++) {
    t.equal((await app.inject({ url: '/stats', headers, remoteAddress: '127.0.0.1' })).statusCode, 403)
  }
})

t.test('the roles in the list of connections are a copy', async t => {
  const auth = { validate: (token: string): AuthSession => ({ userId: token, roles: ['staff'] }) }
  const { app, connect } = await serve(t, { auth })
  const client = await connect()
  await client.ask('auth.login', { token: 'alice' })
  ;(app.noex.getConnections()[0]?.roles as string[]).push('admin')
  t.match(await client.ask('auth.whoami'), { roles: ['staff'] })
})
