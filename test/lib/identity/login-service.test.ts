import t from 'tap'
import { FileAdapter } from '@hamicek/noex-store'
import type { StoreOptions } from '@hamicek/noex-store'
import { NoexServerError } from '../../../lib/protocol/errors.js'
import { SUPERADMIN_ID } from '../../../lib/identity/system-roles.js'
import {
  ADMIN_SECRET,
  FakeClient,
  holdTransactions,
  passwordHash,
  PASSWORD,
  startAccounts
} from '../../support/account-operations.js'
import { FakeClock } from '../../support/fake-clock.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

t.test('login', async t => {
  t.test('[G-B7] a user who is revoked while the session is written is not logged in', async t => {
    const { ask, store, identity, revocations, user } = await startAccounts(t)
    const id = await user('alice')
    const { barrier, letGo } = holdTransactions(store)
    const client = new FakeClient()
    const login = ask(client, 'identity.login', { username: 'alice', password: PASSWORD })
    await barrier.held()
    revocations.add(id)
    identity.endSessionsOf(id)
    letGo()
    await t.rejects(login, { code: 'SESSION_REVOKED' })
    t.equal(client.session, undefined)
    t.same(identity.directory.sessionsOf(id), [])
  })

  t.test('[G-B7] neither is the superadmin', async t => {
    const { ask, store, identity, revocations } = await startAccounts(t)
    const { barrier, letGo } = holdTransactions(store)
    const login = ask(new FakeClient(), 'identity.loginWithSecret', { secret: ADMIN_SECRET })
    await barrier.held()
    revocations.add(SUPERADMIN_ID)
    letGo()
    await t.rejects(login, { code: 'SESSION_REVOKED' })
    t.same(identity.directory.sessions(), [])
  })

  t.test('a client that disconnects while its session is written leaves none behind', async t => {
    const { ask, store, identity } = await startAccounts(t)
    const { barrier, letGo } = holdTransactions(store)
    const client = new FakeClient()
    const login = ask(client, 'identity.loginWithSecret', { secret: ADMIN_SECRET })
    await barrier.held()
    client.isOpen = false
    letGo()
    await t.rejects(login, NoexServerError)
    t.same(identity.directory.sessions(), [])
  })

  t.test('a client that disconnects while its password is checked begins none', async t => {
    const { code, store, user } = await startAccounts(t)
    await user('alice')
    const client = new FakeClient()
    const login = code(client, 'identity.login', { username: 'alice', password: PASSWORD })
    client.isOpen = false
    t.equal(await login, 'UNAUTHORIZED')
    t.equal(await store.bucket('_sessions').count(), 0)
  })

  t.test(
    'an account that is disabled, deleted or given another password meanwhile does not get in',
    async t => {
      const { code, store, user } = await startAccounts(t)
      const users = store.bucket('_users')
      for (const meanwhile of [
        async (id: string) => { await users.update(id, { enabled: false }) },
        async (id: string) => { await users.delete(id) },
        async (id: string) => {
          await users.update(id, { passwordHash: passwordHash.replace(/.{20}$/, 'A'.repeat(20)) })
        }
      ]) {
        const id = await user('alice')
        const login = code(new FakeClient(), 'identity.login', { username: 'alice', password: PASSWORD })
        await meanwhile(id)
        t.equal(await login, 'UNAUTHORIZED')
        await users.delete(id)
      }
      t.equal(await store.bucket('_sessions').count(), 0)
    }
  )

  t.test('twice at once works, although the first renews the hash of the password', async t => {
    const { ask, store, user } = await startAccounts(t, { argon2: false })
    const id = await user('alice')
    const logins = [1, 2].map(
      async () => await ask(new FakeClient(), 'identity.login', { username: 'alice', password: PASSWORD })
    )
    for (const login of logins) t.match(await login, { user: { username: 'alice', roles: [] } })
    t.match((await store.bucket('_users').get(id))?.['passwordHash'], /^\$scrypt\$ln=/)
    t.equal(await store.bucket('_sessions').count({ userId: id }), 2)
  })

  t.test('that fails for another reason than the password is no guess', async t => {
    const { code, store, user } = await startAccounts(t, {
      auth: { loginRateLimit: { maxAttempts: 1, windowMs: 60_000 } }
    })
    await user('alice')
    const transaction = store.transaction.bind(store)
    store.transaction = async () => await Promise.reject(new Error('the disk is full'))
    t.match(
      await code(new FakeClient(), 'identity.login', { username: 'alice', password: PASSWORD }),
      /^INTERNAL_ERROR/
    )
    store.transaction = transaction
    t.equal(
      await code(new FakeClient(), 'identity.login', { username: 'alice', password: 'wrong' }),
      'UNAUTHORIZED'
    )
    t.equal(
      await code(new FakeClient(), 'identity.login', { username: 'alice', password: PASSWORD }),
      'RATE_LIMITED'
    )
  })

  t.test('[G-B14] to a disabled account counts as a failure, also with the right password', async t => {
    const { code, store, user } = await startAccounts(t, {
      auth: { loginRateLimit: { maxAttempts: 2, windowMs: 60_000 } }
    })
    await store.bucket('_users').update(await user('alice'), { enabled: false })
    const codes: unknown[] = []
    for (let i = 0; i < 3; i++) {
      codes.push(await code(new FakeClient(), 'identity.login', { username: 'alice', password: PASSWORD }))
    }
    t.same(codes, ['UNAUTHORIZED', 'UNAUTHORIZED', 'RATE_LIMITED'])
  })
})

t.test('[G-B8] a token login knows its session, and no other text is a token', async t => {
  const { ask, code, store, user, root } = await startAccounts(t)
  await user('alice')
  const { token } = (await ask(new FakeClient(), 'identity.login', {
    username: 'alice',
    password: PASSWORD
  })) as { token: string }
  t.match(token, /^[\w-]{43}$/)
  const [record] = await store.bucket('_sessions').all()
  t.notMatch(JSON.stringify(record), token, '[G-B13] the token is kept nowhere')
  for (const text of [record?.['id'], token.slice(1), `${token}=`, 'x'.repeat(10_000), '__proto__']) {
    t.equal(await code(await root(), 'auth.login', { token: text }), 'UNAUTHORIZED')
  }
  const client = new FakeClient()
  t.match(await ask(client, 'auth.login', { token }), { roles: [], expiresAt: record?.['expiresAt'] })
  t.match(await ask(client, 'identity.refreshSession'), { token: String, user: { username: 'alice' } })
  t.equal(
    await code(new FakeClient(), 'auth.login', { token }),
    'UNAUTHORIZED',
    'the old token is none any more'
  )
  t.same(await ask(client, 'auth.logout'), { loggedOut: true })
  t.equal(await store.bucket('_sessions').count({ userId: record?.['userId'] }), 0)
  t.same(await ask(client, 'auth.logout'), { loggedOut: true }, 'also when anonymous')
  t.same(await ask(client, 'auth.whoami'), { authenticated: false })
})

t.test('[G-B11] a new password leaves the client that asked for it logged in, and no other', async t => {
  const { ask, code, store, user, as } = await startAccounts(t)
  const userId = await user('alice')
  const [client, other] = [await as(userId), await as(userId)]
  const before = client.session
  t.same(
    await ask(client, 'identity.changePassword', {
      userId,
      currentPassword: PASSWORD,
      newPassword: 'another password'
    }),
    { changed: true }
  )
  t.not(client.session, before)
  t.equal(client.session?.state, 'live')
  t.equal(other.session?.state, 'ended')
  t.equal(await store.bucket('_sessions').count({ userId }), 1)
  t.equal(
    await code(client, 'identity.changePassword', {
      userId: 'foreign',
      currentPassword: 'x',
      newPassword: 'another password'
    }),
    'FORBIDDEN'
  )
})

t.test(
  '[G-B13] what is kept survives a restart: users, sessions, buckets with owner, but no queries',
  async t => {
    const directory = temporaryDirectory(t)
    const persistence = (): StoreOptions => ({
      name: 'accounts',
      persistence: { adapter: new FileAdapter({ directory }), debounceMs: 1 }
    })
    const clock = new FakeClock()
    const first = await startAccounts(t, { options: persistence(), clock })
    const userId = await first.user('alice', 'reader')
    const { token } = (await first.ask(new FakeClient(), 'identity.login', {
      username: 'alice',
      password: PASSWORD
    })) as { token: string }
    for (const type of ['query', 'bucket'] as const) {
      await first.identity.recordOwner(type, 'mine', (await first.as(userId)).session)
    }
    await first.identity.close()
    await first.store.stop()
    const second = await startAccounts(t, { options: persistence(), clock })
    const client = new FakeClient()
    t.match(await second.ask(client, 'auth.login', { token }), { userId, roles: ['reader'] })
    t.match(await second.ask(client, 'identity.myAccess'), {
      resources: [{ resourceType: 'bucket', resourceName: 'mine', isOwner: true }]
    })
    t.equal((await second.ask(client, 'identity.myAccess') as { resources: unknown[] }).resources.length, 1)
    t.equal(await second.store.bucket('_roles').count(), 4, 'nothing is made twice')
  }
)
