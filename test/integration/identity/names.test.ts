import t from 'tap'
import { startStore } from '../../support/service.js'
import { PASSWORD, serveAccounts } from '../../support/identity.js'
import { logInto } from '../../support/log-into.js'

const RLM = '\u200f'
const ZERO_WIDTH = '\u200b'

t.test('account names', async t => {
  t.test('that look like another are taken', async t => {
    const { superadmin } = await serveAccounts(t)
    const root = await superadmin()
    const create = async (username: string): Promise<unknown> => {
      const reply = await root.request('identity.createUser', { username, password: PASSWORD })
      return reply['type'] === 'result' ? reply['data'].username : reply['code']
    }
    t.equal(await create('  alice '), 'alice', 'kept without blanks around it')
    for (const name of ['alice', 'Alice', 'ALICE', 'alice ', '\ufeffalice', '\uff41lice']) {
      t.equal(await create(name), 'ALREADY_EXISTS', JSON.stringify(name))
    }
    for (const name of [`al${ZERO_WIDTH}ice`, `alice${RLM}x`, 'al\u0007ice', ' a ', '\uff3f\uff3falice']) {
      t.equal(await create(name), 'VALIDATION_ERROR', JSON.stringify(name))
    }
    t.equal(await create('jose\u0301'), 'jos\u00e9', 'composed')
    t.equal(await create('jos\u00e9'), 'ALREADY_EXISTS')
    t.equal((await root.ask('identity.listUsers'))['total'], 2)
  })

  t.test('asked for at the same time in several spellings make one account', async t => {
    const { superadmin } = await serveAccounts(t)
    const root = await superadmin()
    const replies = await Promise.all(
      ['alice', 'Alice', 'ALICE', ' alice'].map(
        async username => await root.request('identity.createUser', { username, password: PASSWORD })
      )
    )
    t.same(replies.map(({ type }) => type).sort(), ['error', 'error', 'error', 'result'])
  })

  t.test('log in in every spelling, as the one account that has it', async t => {
    const { connect, user } = await serveAccounts(t)
    const id = await user('Jos\u00e9')
    for (const username of [
      'Jos\u00e9',
      'Jose\u0301',
      'jos\u00e9',
      ' JOS\u00c9 ',
      `Jos\u00e9${ZERO_WIDTH}`
    ]) {
      t.match(
        await (await connect()).ask('identity.login', { username, password: PASSWORD }),
        { user: { id, username: 'Jos\u00e9' } },
        JSON.stringify(username)
      )
    }
    t.equal(
      await (await connect()).code('identity.login', { username: 'Jose', password: PASSWORD }),
      'UNAUTHORIZED'
    )
  })

  t.test(
    'have one count of failed logins for all spellings, whether or not there is such an account',
    async t => {
      const { connect, user } = await serveAccounts(t, { loginRateLimit: { maxAttempts: 3 } })
      await user('alice')
      for (const name of ['alice', 'unknown']) {
        const client = await connect()
        const spellings = [name, name.toUpperCase(), ` ${name}`, `${name}${ZERO_WIDTH}`, `${name} `]
        const codes: string[] = []
        for (const username of spellings) {
          codes.push(await client.code('identity.login', { username, password: 'wrong horse' }))
        }
        t.same(codes, ['UNAUTHORIZED', 'UNAUTHORIZED', 'UNAUTHORIZED', 'RATE_LIMITED', 'RATE_LIMITED'], name)
      }
    }
  )
})

t.test('names in the store that look alike', async t => {
  const log: Array<{
    readonly level: number
    readonly msg: string
    readonly accounts?: string[][]
    readonly roles?: string[][]
  }> = []
  const logger = logInto(log)
  const store = await startStore(t)
  const first = await serveAccounts(t, {}, {}, { store })
  const ids = {
    alice: await first.user('alice', 'reader'),
    Alice: await first.user('Alice', 'writer'),
    padded: await first.user('alice '),
    bob: await first.user('Bob')
  }
  await store.bucket('_roles').insert({ name: 'Reader', permissions: [] })
  await first.app.close()
  const { connect, superadmin } = await serveAccounts(
    t,
    { loginRateLimit: { maxAttempts: 2 } },
    {},
    { store, fastify: { logger } }
  )

  t.test('are named in a warning when the service starts, and only these', async t => {
    const warnings = log.filter(({ msg }) => /names look alike/.test(msg))
    t.match(warnings, [
      {
        level: 40,
        accounts: [['alice', 'Alice', 'alice ']],
        msg: /^there are accounts whose names look alike: each is known by its exact spelling only/
      },
      { level: 40, roles: [['reader', 'Reader']], msg: /^there are roles whose names look alike/ }
    ])
    t.equal(warnings.length, 2)
  })

  t.test('go on working by their exact spelling, and by no other', async t => {
    for (const [username, id] of [
      ['alice', ids.alice],
      ['Alice', ids.Alice],
      ['alice ', ids.padded]
    ] as const) {
      t.match(await (await connect()).ask('identity.login', { username, password: PASSWORD }), {
        user: { id, username }
      })
    }
    t.equal(
      await (await connect()).code('identity.login', { username: 'ALICE', password: PASSWORD }),
      'UNAUTHORIZED'
    )
    t.match(
      await (await connect()).ask('identity.login', { username: 'bob', password: PASSWORD }),
      { user: { id: ids.bob, username: 'Bob' } },
      'a name that only one account has, in any'
    )
  })

  t.test('are not renamed, and cannot be created anew', async t => {
    const root = await superadmin()
    t.equal(
      await root.code('identity.createUser', { username: 'ALICE', password: PASSWORD }),
      'ALREADY_EXISTS'
    )
    t.same(
      (await store.bucket('_users').all()).map(({ username }) => username),
      ['alice', 'Alice', 'alice ', 'Bob']
    )
    await root.ask('identity.deleteUser', { userId: ids.padded })
    await root.ask('identity.deleteUser', { userId: ids.Alice })
    t.match(
      await (await connect()).ask('identity.login', { username: 'ALICE', password: PASSWORD }),
      { user: { id: ids.alice } },
      'once one is left, every spelling is its own'
    )
    t.equal(
      await root.code('identity.createUser', { username: 'Alice', password: PASSWORD }),
      'ALREADY_EXISTS'
    )
  })

  t.test('have counts of failed logins of their own', async t => {
    const other = await startStore(t)
    const served = await serveAccounts(t, { loginRateLimit: { maxAttempts: 2 } }, {}, { store: other })
    await served.user('carol')
    await served.user('Carol')
    const client = await served.connect()
    for (const expected of ['UNAUTHORIZED', 'UNAUTHORIZED', 'RATE_LIMITED']) {
      t.equal(await client.code('identity.login', { username: 'carol', password: 'wrong' }), expected)
    }
    await client.ask('identity.login', { username: 'Carol', password: PASSWORD })
  })
})

t.test('role names', async t => {
  const { superadmin, login, user } = await serveAccounts(t)
  const root = await superadmin()

  t.test('that look like another are taken, those of the system first of all', async t => {
    for (const name of ['Admin', 'SUPERADMIN', ' superadmin', '\uff53uperadmin', 'Reader']) {
      t.equal(await root.code('identity.createRole', { name }), 'ALREADY_EXISTS', JSON.stringify(name))
    }
    t.equal(await root.code('identity.createRole', { name: `clerk${ZERO_WIDTH}` }), 'VALIDATION_ERROR')
    t.match(await root.ask('identity.createRole', { name: ' Clerk ' }), { name: 'Clerk' })
    t.equal(await root.code('identity.createRole', { name: 'clerk' }), 'ALREADY_EXISTS')
  })

  t.test('are found in every spelling, with the rights that the role itself takes', async t => {
    const userId = await user('dave')
    await root.ask('identity.assignRole', { userId, roleName: 'CLERK' })
    t.match(await root.ask('identity.getUserRoles', { userId }), { roles: [{ name: 'Clerk' }] })
    await root.ask('identity.removeRole', { userId, roleName: 'clerk' })
    t.same(await root.ask('identity.getUserRoles', { userId }), { roles: [] })
    const admin = await login('erin', 'admin')
    for (const roleName of ['superadmin', 'Superadmin', ' SUPERADMIN ']) {
      t.equal(await admin.code('identity.assignRole', { userId, roleName }), 'FORBIDDEN', roleName)
      t.equal(await admin.code('identity.removeRole', { userId, roleName }), 'FORBIDDEN', roleName)
    }
  })
})

t.test('passwords', async t => {
  const { superadmin, connect, user } = await serveAccounts(t, { passwordMinLength: 4 })
  const root = await superadmin()

  t.test('log in from every keyboard', async t => {
    await root.ask('identity.createUser', { username: 'frank', password: 'caf\u00e9 cr\u00e8me' })
    t.match(
      await (
        await connect()
      ).ask('identity.login', { username: 'frank', password: 'cafe\u0301 cre\u0300me' }),
      { user: { username: 'frank' } }
    )
  })

  t.test('have as many characters as they have when they are composed', async t => {
    t.equal(
      await root.code('identity.createUser', { username: 'grace', password: 'e\u0301a\u0301b' }),
      'VALIDATION_ERROR'
    )
    t.equal(
      await root.code('identity.resetPassword', {
        userId: await user('heidi'),
        newPassword: 'e\u0301a\u0301b'
      }),
      'VALIDATION_ERROR'
    )
  })
})
