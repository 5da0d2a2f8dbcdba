import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { History, historyFile } from '../../../lib/cli/connect/history.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

t.test('keeps lines over runs, the newest first, in a file of the user alone', async t => {
  const file = join(temporaryDirectory(t), 'state', 'history')
  const history = new History(file)
  t.same(history.load(), [])
  for (const line of ['store.buckets', 'store.stats', 'store.stats']) history.add(line)
  t.same(new History(file).load(), ['store.stats', 'store.buckets'])
  t.equal(statSync(file).mode & 0o777, 0o600)
})

t.test('does not keep secrets, nor lines that begin with a blank', async t => {
  const file = join(temporaryDirectory(t), 'history')
  const history = new History(file)
  for (const line of [
    'auth.login token=abc',
    'identity.login {"username":"a","password":"b"}',
    'identity.loginWithSecret secret=x',
    ' store.stats', '', 'store.buckets'
  ]) history.add(line)
  t.equal(readFileSync(file, 'utf8'), 'store.buckets\n')
})

t.test('is bounded', async t => {
  const file = join(temporaryDirectory(t), 'history')
  writeFileSync(file, [...Array(5_000).keys()].map(i => `line ${i}\n`).join(''))
  const lines = new History(file).load()
  t.same([lines.length, lines[0]], [1_000, 'line 4999'])
  t.equal(readFileSync(file, 'utf8').split('\n').length, 1_001)
  writeFileSync(file, 'x'.repeat(5_000_000))
  const history = new History(file)
  t.same(history.load(), [])
  history.add('store.buckets')
  t.equal(statSync(file).size, 5_000_000, 'a file that is no history is left alone')
})

t.test('a disk that fails, and a folder in its place, do no harm', async t => {
  const folder = temporaryDirectory(t)
  mkdirSync(join(folder, 'history'))
  const history = new History(join(folder, 'history'))
  t.same(history.load(), [])
  history.add('store.buckets')
  writeFileSync(join(folder, 'file'), '')
  chmodSync(join(folder, 'file'), 0o400)
  const beside = new History(join(folder, 'file', 'history'))
  beside.add('store.buckets')
  t.same(beside.load(), [])
})

t.test('is where the environment says', async t => {
  t.equal(historyFile({ NOEX_HISTORY: '/x/y' }), '/x/y')
  t.equal(historyFile({ NOEX_HISTORY: '' }), undefined)
  t.equal(historyFile({ XDG_STATE_HOME: '/state' }), '/state/fastify-noex/history')
  t.equal(historyFile({}), join(homedir(), '.local/state/fastify-noex/history'))
})
