import { join } from 'node:path'
import { readFileSync } from 'node:fs'
import type { Pool } from 'pg'
import t, { type Test } from 'tap'
import { jsonlSink, postgresSink, verifyTable, verifyTrail } from '../../../lib/exports/audit.js'
import { auditQuery } from '../../../lib/cli/audit-query.js'
import { jwtAuth } from '../../../lib/index.js'
import { run, terminal } from '../../support/command-line.js'
import { serveTokens } from '../../support/external-auth.js'
import { serveAccounts } from '../../support/identity.js'
import { sinkDatabase } from '../../support/postgres.js'
import { serve } from '../../support/service.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { alice, hs256, withSecret } from '../../support/tokens.js'

t.test('entries of an account have its name, by which the trail is searched', async t => {
  const path = join(temporaryDirectory(t), 'audit.jsonl')
  const { superadmin, login, app } = await serveAccounts(t, {}, {
    audit: { tiers: ['admin', 'write'], sinks: [jsonlSink({ path })] }
  })
  const operator = await superadmin()
  const alice = await login('alice', 'writer')
  const { userId } = await alice.ask('identity.whoami')
  await alice.ask('store.insert', { bucket: 'items', data: {} })
  await alice.ask('identity.logout')
  for (const user of ['alice', userId]) {
    const { entries } = await operator.ask('audit.query', { user })
    t.match(entries, [
      { userId, userName: 'alice', operation: 'identity.logout' },
      { userId, userName: 'alice', operation: 'store.insert' },
      { userId, userName: 'alice', operation: 'auth.login' }
    ])
    t.same(Object.keys(entries[0]).slice(0, 4), ['timestamp', 'userId', 'userName', 'sessionId'])
  }
  t.same((await operator.ask('audit.query', { user: 'alic' })).entries, [])
  t.same((await operator.ask('audit.query', { userId: 'alice' })).entries, [], 'an id is an id')
  t.notOk('userName' in (await operator.ask('audit.query', { user: '__superadmin__' })).entries[0])
  await app.close()
  const byName = await run(auditQuery, ['--user', 'alice', path])
  t.equal(byName.lines.length, 3)
  t.same(byName, await run(auditQuery, ['--user', userId, path]))
  const shown = await run(auditQuery, ['--user', 'alice', path], terminal)
  t.match(shown.lines[0], `  alice (${userId})  auth.login`)
  t.match(await verifyTrail({ files: [path] }), { ok: true })
  t.equal(readFileSync(path, 'utf8').includes('"userName":"__superadmin__"'), false)
})

t.test('a table of version 0.1 gets the column, and its chain still holds', async t => {
  const { connectionString, pool, isServer } = await sinkDatabase(t)
  const write = async (): Promise<void> => {
    const sinks = [postgresSink({ connectionString, stream: 'main' })]
    const { as, app } = await serveTokens(t, {
      validate: async () => ({ userId: 'u1', userName: 'Zoë "Z" O\'Hara', roles: ['writer'] })
    }, { audit: { tiers: ['write'], sinks } })
    await (await as('any')).ask('store.insert', { bucket: 'items', data: {} })
    await app.close()
  }
  await write()
  await pool.query('DELETE FROM audit_log')
  await pool.query('ALTER TABLE audit_log DROP COLUMN user_name')
  t.match(await verifyTable(pool, { stream: 'main' }), { ok: false }, 'it is read without the column')
  await write()
  const { rows } = await pool.query(
    "SELECT user_id, user_name FROM audit_log WHERE operation = 'store.insert'"
  )
  t.same(rows, [{ user_id: 'u1', user_name: 'Zoë "Z" O\'Hara' }])
  t.match(await verifyTable(pool, { stream: 'main' }), { ok: true })
  await pool.query("UPDATE audit_log SET user_name = 'mallory' WHERE user_name IS NOT NULL")
  t.match(await verifyTable(pool, { stream: 'main' }), { ok: false }, 'a name is covered by the hash')
  if (isServer) await refusesClerk(t, pool, connectionString)
})

/** Checks that a role which may not change the table is told what has to be done. */
async function refusesClerk (t: Test, pool: Pool, connectionString: string): Promise<void> {
  const role = `noex_clerk_${process.pid}`
  t.teardown(async () => { await pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`) })
  await pool.query(`ALTER TABLE audit_log DROP COLUMN user_name; CREATE ROLE ${role} LOGIN;
    GRANT ALL ON audit_log TO ${role}`)
  const url = new URL(connectionString)
  url.username = role
  const sink = postgresSink({ connectionString: url.href, stream: 'other' })
  await t.rejects(serve(t, { audit: { sinks: [sink] } }), {
    message: /has no column user_name \(must be owner.*\): have its owner run ALTER TABLE "audit_log" ADD COLUMN/
  })
}

t.test('tokens say the name of their user, too', async t => {
  const auth = jwtAuth({ ...withSecret, nameClaim: ['profile', 'name'] })
  const { connect } = await serve(t, { auth, audit: {} })
  const names: unknown[] = []
  for (const [i, name] of ['Alice', 5, '', 'x'.repeat(257), undefined].entries()) {
    const exp = Math.floor(Date.now() / 1_000) + 60
    const token = hs256({ ...alice, sub: `u${i}`, roles: ['admin'], exp, profile: { name } })
    const client = await connect()
    await client.ask('auth.login', { token })
    names.push((await client.ask('server.connections', { user: `u${i}` })).connections[0].userName)
  }
  t.same(names, ['Alice', null, null, null, null], 'what is no name is none')
})

t.test('a wrong name of auth.validate is a fault of the application', async t => {
  const { connect } = await serveTokens(t, {
    validate: async token => ({ userId: 'u', userName: token === 'none' ? null : 'x'.repeat(257), roles: [] })
  })
  const client = await connect()
  t.equal(await client.code('auth.login', { token: 'long' }), 'INTERNAL_ERROR')
  await client.ask('auth.login', { token: 'none' })
})
