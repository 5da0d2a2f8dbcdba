import t from 'tap'
import { someAttempts } from '../support/spoof-attempts.js'
import { hasProxies } from '../support/proxy.js'
import { runMatrix } from '../support/spoof-matrix.js'

t.test('behind the proxies of deploy/ no client is taken for another', async t => {
  if (!hasProxies(t)) return
  const { accepted, unrecorded, blocked, ...counts } = await runMatrix(t, { attempts: someAttempts })
  t.comment(JSON.stringify(counts))
  t.same(accepted, [], 'none')
  t.same(blocked, [], 'a client without claims comes in by every way, except where no proxy names a user')
  t.same(unrecorded, [], 'what the service refuses is in its audit trail')
  t.ok(counts.harmless > 0 && counts.recorded > 0 && counts.stopped > 0, 'all three ends are there')
})

t.test('the matrix finds it when a line of nginx.conf is missing', async t => {
  if (!hasProxies(t)) return
  const { accepted } = await runMatrix(t, {
    attempts: someAttempts.filter(
      ({ title }) => title.endsWith('plain, once') || title === 'the user and the secret'
    ),
    nginxChanges: [
      ['proxy_set_header X-Real-IP $remote_addr;', ''],
      ['X-Forwarded-For $remote_addr', 'X-Forwarded-For "$http_x_forwarded_for"'],
      [/proxy_set_header X-(?:Forwarded-User|Gateway-Secret) "";/, '']
    ]
  })
  for (const service of ['realIpHeader', 'trustProxy', 'gateway']) {
    t.ok(accepted.some(line => line.startsWith(`${service}, nginx:`)), service)
  }
  t.notOk(accepted.some(line => line.includes('caddy')), 'and nothing where nothing is missing')
})
