import { readFileSync } from 'node:fs'
import t from 'tap'
import { delayOf, endingOfClose, hidesData, isFinalClose } from '../../../lib/client/ending.js'
import { NoexClientError } from '../../../lib/client/errors.js'
import { closeReasons } from '../../../lib/protocol/close-codes.js'
import { projectFile } from '../../support/project-file.js'

t.test('comes back after the closes after which the server wants it', async t => {
  for (const { code, reason, comeBack } of Object.values(closeReasons)) {
    t.equal(!isFinalClose(code, reason), comeBack, `${code} ${reason}`)
  }
})

t.test('obeys the table of PROTOCOL.md', async t => {
  const [, table = ''] = readFileSync(projectFile('PROTOCOL.md'), 'utf8').split('\n## Close codes\n')
  const rows = [...table.split('\n## ')[0]?.matchAll(/^\| ([\d, ]+) \| (\S+) \| .* \| (yes|no)\b.* \|$/gm) ?? []]
  t.ok(rows.length >= 11)
  for (const [, codes = '', reason = '', comeBack] of rows) {
    for (const code of codes.split(', ')) {
      t.equal(isFinalClose(Number(code), reason.replaceAll(/[`–]/g, '')), comeBack === 'no', `${code} ${reason}`)
    }
  }
})

t.test('comes back after what a proxy or a lost network says', async t => {
  for (const code of [1001, 1005, 1006, 1011, 1012, 1014, 4000]) t.notOk(isFinalClose(code, ''), String(code))
})

t.test('says where it was, why it ended, and what to do', async t => {
  const { error, isFinal } = endingOfClose('wss://h/live', 1006, '', 'Unexpected server response: 200')
  t.notOk(isFinal)
  t.match(error, { code: 'DISCONNECTED', message: /^wss:\/\/h\/live: Unexpected server response: 200: check/ })
  t.match(endingOfClose('wss://h/live', 4003, 'too_many_connections'), {
    isFinal: true,
    error: { code: 'REFUSED', message: /closed with 4003 too_many_connections: .*reconnect\(\)/ }
  })
  t.match(endingOfClose('wss://h/live', 1013, 'slow_consumer').error?.message, /1013 slow_consumer/)
})

t.test('the end of a session has its own code, hides what was shown, and says what to do', async t => {
  const endings: Array<[code: number, reason: string, expected: string]> = [
    [4002, 'session_revoked', 'SESSION_REVOKED'], [4002, '', 'SESSION_REVOKED'],
    [4002, 'x', 'SESSION_REVOKED'],
    [4002, 'logged_out', 'LOGGED_OUT'], [4002, 'other_user', 'OTHER_USER'],
    [1008, 'session_ended', 'SESSION_ENDED']
  ]
  for (const [code, reason, expected] of endings) {
    const { error, isFinal } = endingOfClose('wss://h/live', code, reason)
    t.ok(isFinal)
    t.match(error, { code: expected, message: /closed with \d+ .*log in anew, then call reconnect/ })
    t.ok(error !== undefined && hidesData(error), expected)
  }
  for (const code of ['UNAUTHORIZED', 'FORBIDDEN', 'forbidden']) {
    t.ok(hidesData(new NoexClientError(code, '')), code)
  }
  for (const code of ['REFUSED', 'DISCONNECTED', 'RATE_LIMITED', 'LOGIN_FAILED', 'memory_limit', 'failed']) {
    t.notOk(hidesData(new NoexClientError(code, '')), code)
  }
})

t.test('takes no delay of a server that is none', async t => {
  const asked = [20, 0, -5, NaN, Infinity, 'soon', '30', null, undefined, {}, 1e15]
  t.same(asked.map(delayOf), [20, 0, 0, 0, 600_000, 0, 30, 0, 0, 0, 600_000])
})
